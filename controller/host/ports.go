package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	wire "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// far is the other end of a veth, as the kernel names it at this one.
type far struct{ namespace, index int }

// port is what was learnt of an interface on a bridge.
type port struct {
	far   far
	addrs []netip.Addr // sorted
}

// Ports finds the interfaces on bridges that pods with these addresses sit behind: by the addresses that the
// kernel has at the other end of each veth. It tells them to who has NET_ADMIN (IFA_TARGET_NETNSID, Linux 4.20).
// An address that two pods have set is that of the one that was seen with it first.
func (h *Host) Ports(pods []netip.Addr) ([]ruleset.Port, error) {
	if len(pods) == 0 {
		return nil, nil
	}
	veths, err := bridgedVeths()
	if err != nil {
		return nil, err
	}
	for name, p := range h.ports {
		if veths[name] != p.far || !slices.ContainsFunc(pods, p.has) {
			delete(h.ports, name)
		}
	}
	if err := h.meet(veths, slices.ContainsFunc(pods, h.missing)); err != nil {
		return nil, err
	}
	var ports []ruleset.Port
	for name, p := range h.ports {
		addrs := slices.DeleteFunc(slices.Clone(pods), func(a netip.Addr) bool { return !p.has(a) })
		if len(addrs) > 0 {
			ports = append(ports, ruleset.Port{Link: name, Addrs: addrs})
		}
	}
	slices.SortFunc(ports, ruleset.Port.Compare)
	return ports, nil
}

func (p port) has(a netip.Addr) bool {
	_, found := slices.BinarySearchFunc(p.addrs, a, netip.Addr.Compare)
	return found
}

// bridgedVeths returns the veths on bridges, by name.
func bridgedVeths() (map[string]far, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	veths := map[string]far{}
	for _, l := range links {
		if a := l.Attrs(); l.Type() == "veth" && a.MasterIndex != 0 && a.NetNsID >= 0 {
			veths[a.Name] = far{a.NetNsID, a.ParentIndex}
		}
	}
	return veths, nil
}

// patience is for the kernel to list the addresses of one interface. The library waits for ever after a system call
// that was interrupted.
const patience = time.Second

// meet learns who is behind the veths that are new or, while an address of a pod is missing, behind any: a pod that was
// looked at between its first address and its second has two by now.
func (h *Host) meet(veths map[string]far, missing bool) error {
	socket, err := wire.Dial(unix.NETLINK_ROUTE, &wire.Config{Strict: true})
	if err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	defer socket.Close()
	if h.ports == nil {
		h.ports = map[string]port{}
	}
	for _, name := range slices.Sorted(maps.Keys(veths)) {
		at := veths[name]
		known := h.ports[name].addrs
		if len(known) > 0 && !missing {
			continue
		}
		if err := socket.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		addrs, err := addrsAt(socket, at)
		if err != nil {
			return fmt.Errorf("list addresses behind %s: %w", name, err)
		}
		if addrs = append(known, slices.DeleteFunc(addrs, h.taken)...); len(addrs) > 0 {
			slices.SortFunc(addrs, netip.Addr.Compare)
			h.ports[name] = port{at, addrs}
		}
	}
	return nil
}

func (h *Host) taken(a netip.Addr) bool { return a.IsLinkLocalUnicast() || !h.missing(a) }

// missing reports whether no port is known to have an address.
func (h *Host) missing(a netip.Addr) bool {
	for _, p := range h.ports {
		if p.has(a) {
			return false
		}
	}
	return true
}

// addrsAt lists the addresses of an interface in another network namespace, sorted; none if it is gone.
func addrsAt(socket *wire.Conn, at far) ([]netip.Addr, error) {
	// struct ifaddrmsg, then the attribute
	request, err := wire.MarshalAttributes([]wire.Attribute{{
		Type: unix.IFA_TARGET_NETNSID, Data: binary.NativeEndian.AppendUint32(nil, uint32(at.namespace)),
	}})
	if err != nil {
		return nil, err
	}
	answers, err := socket.Execute(wire.Message{
		Header: wire.Header{Type: unix.RTM_GETADDR, Flags: wire.Request | wire.Dump},
		Data:   append(make([]byte, unix.SizeofIfAddrmsg), request...),
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return nil, nil // the namespace is gone
	}
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, m := range answers {
		if a, ok := addrOf(m.Data, at.index); ok {
			addrs = append(addrs, a)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs, nil
}

// addrOf reads the address of a message, if it is of that interface.
func addrOf(message []byte, index int) (addr netip.Addr, ok bool) {
	if len(message) < unix.SizeofIfAddrmsg || binary.NativeEndian.Uint32(message[4:]) != uint32(index) {
		return addr, false
	}
	attributes, err := wire.NewAttributeDecoder(message[unix.SizeofIfAddrmsg:])
	if err != nil {
		return addr, false
	}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.IFA_LOCAL: // of a point-to-point interface IFA_ADDRESS is its peer's
			return netip.AddrFromSlice(attributes.Bytes())
		case unix.IFA_ADDRESS:
			addr, ok = netip.AddrFromSlice(attributes.Bytes())
		}
	}
	return addr, ok
}
