package sandbox

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// sysctl is a file below /proc/sys and what to write into it.
type sysctl struct{ path, value string }

// everyNamespace makes namespaces alike on every machine: new ones copy the IPv4
// settings of the machine's first namespace (net.core.devconf_inherit_init_net = 0).
var everyNamespace = []sysctl{
	{"net/ipv4/conf/all/rp_filter", "0"},
	{"net/ipv4/conf/default/rp_filter", "0"},
	{"net/ipv4/icmp_ratemask", "0"},                     // no kind of ICMP error is rate limited
	{"net/ipv6/icmp/ratemask", "127"},                   // reserved: the list cannot be empty
	{"net/ipv6/conf/all/accept_dad", "0"},               // addresses work at once
	{"net/ipv6/conf/default/accept_dad", "0"},           //
	{"net/ipv6/conf/default/router_solicitations", "0"}, // no router would answer
}

// asRouter is for nodes. ip_forward comes first: writing it resets conf/*.
var asRouter = []sysctl{
	{"net/ipv4/ip_forward", "1"},
	{"net/ipv6/conf/all/forwarding", "1"},
	{"net/ipv6/conf/default/forwarding", "1"},
}

// asHost is for pods. The notify switches make the kernel announce the pod's
// addresses when its MAC address is set, so that neighbours forget who had them before.
var asHost = []sysctl{
	{"net/ipv4/ip_forward", "0"},
	{"net/ipv4/conf/default/arp_notify", "1"},
	{"net/ipv6/conf/default/ndisc_notify", "1"},
}

// asSwitch is for the namespace that only bridges.
var asSwitch = []sysctl{
	{"net/ipv4/ip_forward", "0"},
	{"net/ipv6/conf/all/disable_ipv6", "1"},
	{"net/ipv6/conf/default/disable_ipv6", "1"},
}

// neighbourSysctls are for each interface that resolves neighbours: ask every 200 ms, so
// that one lost question does not cost a second, but for 10 s, so that an
// address that nobody has stays silent meanwhile.
func neighbourSysctls(device string) []sysctl {
	return []sysctl{
		{"net/ipv4/neigh/" + device + "/retrans_time_ms", "200"},
		{"net/ipv4/neigh/" + device + "/mcast_solicit", "50"},
		{"net/ipv6/neigh/" + device + "/retrans_time_ms", "200"},
		{"net/ipv6/neigh/" + device + "/mcast_solicit", "50"},
	}
}

// writeSysctls writes in the namespace of the calling thread, which must be
// locked: /proc/sys/net shows the namespace of the task that looks, thread by thread.
func writeSysctls(tables ...[]sysctl) error {
	for _, table := range tables {
		for _, s := range table {
			if err := s.write(); err != nil {
				name := strings.ReplaceAll(s.path, "/", ".")
				return fmt.Errorf("sysctl %s = %s: %w", name, s.value, err)
			}
		}
	}
	return nil
}

// write uses plain system calls: package os would offer the file to its poller
// first. On a kernel without IPv6 nobody misses the settings of IPv6, and before Linux 6.0 those of
// neighbours are hidden from who is root in a user namespace only: questions are rarer then.
func (s sysctl) write() error {
	fd, err := unix.Open("/proc/sys/"+s.path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT && (s.ofIPv6() && !ipv6Supported() || s.ofNeighbours()) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(s.value))
	return os.NewSyscallError("write", err)
}

// ofIPv6 reports whether it is a setting of IPv6.
func (s sysctl) ofIPv6() bool { return strings.HasPrefix(s.path, "net/ipv6/") }

// ofNeighbours reports whether it is one of how neighbours are asked for.
func (s sysctl) ofNeighbours() bool { return strings.Contains(s.path, "/neigh/") }

// ipv6Supported reports whether this kernel has IPv6.
func ipv6Supported() bool { return unix.Access("/proc/sys/net/ipv6", unix.F_OK) == nil }
