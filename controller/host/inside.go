package host

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	wire "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// What the kernel says of other network namespaces, by the numbers that this one has for them.

// ask sends a question about a namespace: the message of its kind, then the attribute that names it. A namespace or
// interface that is gone answers nothing.
func ask(socket *wire.Conn, header wire.Header, message []byte, attribute uint16, namespace int) ([]wire.Message, error) {
	target, err := wire.MarshalAttributes([]wire.Attribute{{
		Type: attribute, Data: binary.NativeEndian.AppendUint32(nil, uint32(namespace)),
	}})
	if err != nil {
		return nil, err
	}
	answers, err := socket.Execute(wire.Message{Header: header, Data: append(message, target...)})
	for _, gone := range []error{unix.EINVAL, unix.ENOENT, unix.ENODEV} {
		if errors.Is(err, gone) {
			return nil, nil
		}
	}
	return answers, err
}

// addrsIn lists the addresses in a namespace, sorted, by the index of their interface.
func addrsIn(socket *wire.Conn, namespace int) (map[int][]netip.Addr, error) {
	header := wire.Header{Type: unix.RTM_GETADDR, Flags: wire.Request | wire.Dump}
	answers, err := ask(socket, header, make([]byte, unix.SizeofIfAddrmsg), unix.IFA_TARGET_NETNSID, namespace)
	if err != nil {
		return nil, err
	}
	addrs := map[int][]netip.Addr{}
	for _, m := range answers {
		if a, index, ok := addrOf(m.Data); ok {
			addrs[index] = append(addrs[index], a)
		}
	}
	for index := range addrs {
		slices.SortFunc(addrs[index], netip.Addr.Compare)
	}
	return addrs, nil
}

// addrOf reads the address of a message and the index of its interface.
func addrOf(message []byte) (addr netip.Addr, index int, ok bool) {
	if len(message) < unix.SizeofIfAddrmsg {
		return addr, 0, false
	}
	index = int(binary.NativeEndian.Uint32(message[4:]))
	attributes, err := wire.NewAttributeDecoder(message[unix.SizeofIfAddrmsg:])
	if err != nil {
		return addr, index, false
	}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.IFA_LOCAL: // of a point-to-point interface IFA_ADDRESS is its peer's
			addr, ok = netip.AddrFromSlice(attributes.Bytes())
			return addr, index, ok
		case unix.IFA_ADDRESS:
			addr, ok = netip.AddrFromSlice(attributes.Bytes())
		}
	}
	return addr, index, ok
}

// insideLink is an interface in another namespace; its zero value is one that is gone.
type insideLink struct {
	name, kind string
	mac        ruleset.MAC
}

func linkIn(socket *wire.Conn, at far) (insideLink, error) {
	message := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(message[4:], uint32(at.index))
	answers, err := ask(socket, wire.Header{Type: unix.RTM_GETLINK, Flags: wire.Request}, message, unix.IFLA_TARGET_NETNSID, at.namespace)
	if err != nil || len(answers) == 0 || len(answers[0].Data) < unix.SizeofIfInfomsg {
		return insideLink{}, err
	}
	return decodeLink(answers[0].Data[unix.SizeofIfInfomsg:])
}

func decodeLink(data []byte) (insideLink, error) {
	link := insideLink{kind: "device"}
	attributes, err := wire.NewAttributeDecoder(data)
	if err != nil {
		return link, err
	}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.IFLA_IFNAME:
			link.name = attributes.String()
		case unix.IFLA_ADDRESS:
			copy(link.mac[:], attributes.Bytes())
		case unix.IFLA_LINKINFO:
			attributes.Nested(func(info *wire.AttributeDecoder) error {
				for info.Next() {
					if info.Type() == unix.IFLA_INFO_KIND {
						link.kind = info.String()
					}
				}
				return nil
			})
		}
	}
	return link, attributes.Err()
}

// namespaces lists those that this one has numbers for.
func namespaces(socket *wire.Conn) ([]int, error) {
	answers, err := socket.Execute(wire.Message{
		Header: wire.Header{Type: unix.RTM_GETNSID, Flags: wire.Request | wire.Dump}, Data: make([]byte, rtgenmsgSize),
	})
	if err != nil {
		return nil, err
	}
	var all []int
	for _, m := range answers {
		attributes, err := wire.NewAttributeDecoder(m.Data[min(len(m.Data), rtgenmsgSize):])
		if err != nil {
			return nil, err
		}
		for attributes.Next() {
			if attributes.Type() == unix.NETNSA_NSID {
				all = append(all, int(attributes.Int32()))
			}
		}
	}
	return all, nil
}

// rtgenmsgSize is that of struct rtgenmsg, with its padding.
const rtgenmsgSize = 4
