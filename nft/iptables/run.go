package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netns"

	"github.com/picket-project/picket/ruleset"
)

// patience is how long a program may take: loading and reading hundreds of thousands of elements
// takes seconds, and others can hold the lock of iptables.
const patience = time.Minute

// program runs one of the programs of iptables or ipset in the backend's namespace, and returns
// what it prints.
func (b *Backend) program(ctx context.Context, stdin string, words ...string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	var out, problem bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &problem
	// One that this process leaves behind must not change rules behind the back of the next one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := inside(b.options.NetNS, cmd.Start); err != nil {
		return "", explained(words[0], "", err)
	}
	if err := cmd.Wait(); err != nil {
		return "", explained(words[0], problem.String(), err)
	}
	return out.String(), nil
}

// inside calls do in a network namespace; 0 is that of the calling thread. A process that do starts
// is in it, too.
func inside(fd int, do func() error) error {
	if fd == 0 {
		return do()
	}
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := netns.Set(netns.NsHandle(fd)); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = do()
	// A thread that cannot go back stays locked, so that it ends with its goroutine.
	if back := netns.Set(home); back != nil {
		return errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return err
}

// missing names what a message of a program says is not there, and who has it. The programs say it
// in words only.
var missing = []struct{ says, what string }{
	{"can't initialize ip6tables table", "the kernel module ip6table_mangle (or ip6table_filter)"},
	{"can't initialize iptables table", "the kernel module iptable_mangle (or iptable_filter)"},
	{"Couldn't load match `set'", "the program's extension libxt_set, of the package iptables"},
	{"match `set'", "the kernel module xt_set"},
	{"Cannot open session to kernel", "the kernel module ip_set"},
	{"Kernel support protocol versions", "an ipset program of the kernel's protocol"},
	{"set type not supported", "the kernel modules ip_set_hash_ip, ip_set_hash_ipport, " +
		"ip_set_hash_net, ip_set_hash_netiface and ip_set_hash_ipportip"},
	{"Permission denied", "the capability NET_ADMIN, or access to /run/xtables.lock"},
}

// extraModules says who has modules that a distribution does not install by itself.
const extraModules = " (of the package kernel-modules-extra on RHEL, linux-modules-extra on Ubuntu)"

// explained says what a program needs that it has not found.
func explained(name, problem string, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is not installed; the packages iptables and ipset have the programs: %w",
			name, err)
	}
	problem = strings.TrimSpace(problem)
	for _, m := range missing {
		if !strings.Contains(problem, m.says) {
			continue
		}
		what := m.what
		if strings.HasPrefix(what, "the kernel module") {
			what += extraModules
		}
		return fmt.Errorf("%s needs %s: %w: %s", name, what, err, problem)
	}
	return fmt.Errorf("%s: %w: %s", name, err, problem)
}

// restoreRules loads a text into the tables of one family.
func (b *Backend) restoreRules(ctx context.Context, f ruleset.Family, text string) error {
	_, err := b.program(ctx, text, families[f].program+"-restore", "--noflush", "-w", "30")
	return err
}

// saveRules reads one table of a family.
func (b *Backend) saveRules(ctx context.Context, f ruleset.Family, name string) (table, error) {
	text, err := b.program(ctx, "", families[f].program+"-save", "-t", name)
	return readTable(text), err
}

// restoreSets carries lines of ipset out. What is there already, or gone already, is no error.
func (b *Backend) restoreSets(ctx context.Context, lines []string) error {
	if len(lines) == 0 || b.sendElements(lines) == nil {
		return nil
	}
	_, err := b.program(ctx, strings.Join(lines, "\n")+"\n", "ipset", "-exist", "restore")
	return err
}

// saveSets reads all sets of ours.
func (b *Backend) saveSets(ctx context.Context) (map[string]ipset, error) {
	text, err := b.program(ctx, "", "ipset", "save")
	return readSets(text), err
}
