package host

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// bridgeSwitches make br_netfilter hand bridged packets to the hooks of IPv4 and IPv6, per network
// namespace since Linux 5.3.
var bridgeSwitches = []string{
	"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables",
}

// Filter makes bridged packets pass the forward hook. It sets the switches that are not set.
func (h *Host) Filter() error {
	var errs []error
	// The switch of one family is set even if that of the other cannot be.
	for _, name := range bridgeSwitches {
		errs = append(errs, switchOn(name))
	}
	return errors.Join(errs...)
}

// Filtered reports whether bridged packets pass the forward hook. It only reads the switches.
func (h *Host) Filtered() bool { return switchedOn() }

// switchedOn reports whether all are set. One that cannot be read counts as not set.
func switchedOn() bool {
	for _, name := range bridgeSwitches {
		if value, err := os.ReadFile("/proc/sys/" + name); err != nil || !isOn(value) {
			return false
		}
	}
	return true
}

// isOn reports whether the content of a switch's file says that it is set.
func isOn(value []byte) bool { return strings.TrimSpace(string(value)) == "1" }

// switchOn sets a switch that is not set. An error says what somebody with root rights can do.
func switchOn(name string) error {
	path := "/proc/sys/" + name
	value, err := os.ReadFile(path)
	switch {
	// The switches are there only while br_netfilter is loaded.
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s is missing, so traffic between pods of this node can't be "+
			"filtered; load the kernel module: modprobe br_netfilter", name)
	case err != nil:
		return fmt.Errorf("read %s: %w", name, err)
	case isOn(value):
		return nil
	}
	if err := os.WriteFile(path, []byte("1"), 0); err != nil {
		return fmt.Errorf("%s is 0, so traffic between pods of this node can't be filtered, and "+
			"it can't be set (%w); run: sysctl -w %s=1",
			name, err, strings.ReplaceAll(name, "/", "."))
	}
	return nil
}
