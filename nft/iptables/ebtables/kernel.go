package ebtables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrMissing says that the kernel has no legacy ebtables, or a part of it is not loaded.
var ErrMissing = errors.New("no legacy ebtables in this kernel")

// Modules are what rules of this package need in the kernel.
const Modules = "ebtables, ebtable_nat, ebtable_filter, ebt_arp, ebt_ip, ebt_ip6 and ebt_vlan"

// Numbers of the socket options.
const (
	setEntries  = 128 // EBT_SO_SET_ENTRIES
	setCounters = 129
	getInfo     = 128 // EBT_SO_GET_INFO
	getEntries  = 129
)

// tries is how often a table is read anew that somebody else has changed meanwhile.
const tries = 5

// Conn speaks with the kernel about the tables of one network namespace.
type Conn struct{ fd int }

// Dial opens a connection in the calling thread's namespace.
func Dial() (*Conn, error) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return nil, ErrMissing
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket for ebtables: %w", err)
	}
	return &Conn{fd}, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return unix.Close(c.fd) }

// Loaded reports whether a table can be there: to ask the kernel for it would make it.
func Loaded(table string) bool {
	missing := func(module string) bool {
		_, err := os.Stat("/sys/module/" + module)
		return errors.Is(err, fs.ErrNotExist)
	}
	// What is built in has no folder.
	return missing("ebtables") || !missing("ebtable_"+table)
}

// Read returns a table. It is made where there is none.
func (c *Conn) Read(table string) (Table, error) {
	t, err := c.read(table)
	if err != nil {
		err = fmt.Errorf("read table %s of ebtables: %w", table, explained(err))
	}
	return t, err
}

// read asks how large a table is, and then for the table. The kernel says EINVAL where somebody has
// changed it between the two.
func (c *Conn) read(name string) (t Table, err error) {
	for range tries {
		info := make([]byte, sizeOfReplace)
		copy(info[:maxName], name)
		if err = c.get(getInfo, info, len(info)); err != nil {
			break
		}
		var entries []byte
		if entries, err = c.entries(info); err == nil {
			return decode(name, u32(info[hooksAt:]), entries)
		}
		if !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	return t, err
}

// entries asks for all chains and rules of a table.
func (c *Conn) entries(info []byte) ([]byte, error) {
	var pinned runtime.Pinner
	defer pinned.Unpin()
	b := make([]byte, u32(info[sizeAt:]))
	point(&pinned, info[entriesAt:], b)
	return b, c.get(getEntries, info, sizeOfReplace+len(b))
}

// Put has a table hold a layout in place of all chains of ours, and says whether anything had to
// change.
func (c *Conn) Put(l Layout, isOurs func(chain string) bool) (changed bool, err error) {
	unlock := lock()
	defer unlock()
	for range tries {
		var t Table
		if t, err = c.read(l.Table); err != nil || t.Has(l, isOurs) {
			break
		}
		changed = true
		// Where somebody else has changed the number of rules meanwhile, and it was not zero, the kernel
		// says EINVAL (num_counters in do_replace_finish).
		if err = c.replace(t, t.With(l, isOurs)); !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("replace table %s of ebtables: %w", l.Table, explained(err))
	}
	return changed && err == nil, err
}

// replace puts a table in place of another one.
func (c *Conn) replace(old, t Table) error {
	entries, places, err := t.encode()
	if err != nil {
		return err
	}
	var pinned runtime.Pinner
	defer pinned.Unpin()
	counters := make([]byte, old.rules*sizeOfCounter)
	b := make([]byte, sizeOfReplace, sizeOfReplace+len(entries))
	b = append(b, entries...)
	copy(b[:maxName], t.name)
	put32(b[hooksAt:], t.hooks)
	put32(b[rulesAt:], uint32(t.count()))
	put32(b[sizeAt:], uint32(len(entries)))
	for hook, base := range bases {
		if t.hooks>>hook&1 == 1 {
			point(&pinned, b[basesAt+8*hook:], b[sizeOfReplace+places[base]:])
		}
	}
	put32(b[oldRulesAt:], uint32(old.rules))
	point(&pinned, b[oldCountersAt:], counters)
	point(&pinned, b[entriesAt:], b[sizeOfReplace:])
	if err := c.set(setEntries, b); err != nil {
		return err
	}
	// What was counted before is added to what the new rules have counted by now.
	_ = c.addCounters(t, counters)
	return nil
}

// addCounters gives rules that were there before what they had counted.
func (c *Conn) addCounters(t Table, old []byte) error {
	if len(old) == 0 {
		return nil
	}
	kept := make([]byte, 0, t.count()*sizeOfCounter)
	for _, chain := range t.chains {
		for _, r := range chain.Rules {
			one := make([]byte, sizeOfCounter)
			if r.read > 0 {
				copy(one, old[(r.read-1)*sizeOfCounter:])
			}
			kept = append(kept, one...)
		}
	}
	b := make([]byte, sizeOfReplace, sizeOfReplace+len(kept))
	b = append(b, kept...)
	copy(b[:maxName], t.name)
	put32(b[oldRulesAt:], uint32(t.count()))
	var pinned runtime.Pinner
	defer pinned.Unpin()
	point(&pinned, b[oldCountersAt:], b[sizeOfReplace:])
	return c.set(setCounters, b)
}

// count is how many rules a table has.
func (t Table) count() (rules int) {
	for _, c := range t.chains {
		rules += len(c.Rules)
	}
	return rules
}

// point writes the address of what is in a slice, which stays there until pinned lets go of it.
func point(pinned *runtime.Pinner, at, to []byte) {
	if len(to) == 0 {
		return
	}
	pinned.Pin(&to[0])
	binary.NativeEndian.PutUint64(at, uint64(uintptr(unsafe.Pointer(&to[0]))))
}

// get asks for an option that takes and returns a struct ebt_replace; length is with what that
// points to.
func (c *Conn) get(option int, b []byte, length int) error {
	size := uint32(length)
	_, _, number := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(c.fd), unix.IPPROTO_IP,
		uintptr(option), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0)
	if number != 0 {
		return os.NewSyscallError("getsockopt", number)
	}
	return nil
}

// set sends an option.
func (c *Conn) set(option int, b []byte) error {
	_, _, number := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(c.fd), unix.IPPROTO_IP,
		uintptr(option), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0)
	if number != 0 {
		return os.NewSyscallError("setsockopt", number)
	}
	return nil
}

// explained names what is missing: ebtables itself, a table or a match.
func explained(err error) error {
	if errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w, or a module of it is not loaded (%s): %w", ErrMissing, Modules, err)
	}
	return err
}
