package host

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	wire "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// What the kernel says of other network namespaces, by the numbers that this one has for them.

// nsQuestion is what is asked about a network namespace.
type nsQuestion struct {
	kind, flags uint16 // of the netlink message
	message     []byte // its fixed part
	attribute   uint16 // that names the namespace
}

// askIn asks about a namespace: the message of its kind, then the attribute that names it. A
// namespace or interface that is gone answers nothing.
func askIn(namespace int, q nsQuestion) ([][]byte, error) {
	target, err := wire.MarshalAttributes([]wire.Attribute{{
		Type: q.attribute, Data: binary.NativeEndian.AppendUint32(nil, uint32(namespace)),
	}})
	if err != nil {
		return nil, err
	}
	answers, err := ask(q.kind, q.flags, append(q.message, target...))
	// EINVAL says that no namespace has the number, ENODEV that no interface has the index.
	for _, gone := range []error{unix.EINVAL, unix.ENOENT, unix.ENODEV} {
		if errors.Is(err, gone) {
			return nil, nil
		}
	}
	return answers, err
}

// heldAddr is an address of an interface.
type heldAddr struct {
	addr  netip.Addr
	since time.Duration // when it was set, or changed, by the clock of the kernel's start
}

// addrsOf lists the addresses of an interface in another namespace, in the kernel's order. The
// error may be errTooMany.
func addrsOf(at far) ([]heldAddr, error) {
	all, err := addrsIn(at.namespace, at.index)
	return all[at.index], err
}

// addrsIn lists the addresses in a namespace by the index of their interface, of all interfaces
// or of one (index not 0).
func addrsIn(namespace, index int) (map[int][]heldAddr, error) {
	addrs := map[int][]heldAddr{}
	var tooMany error
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		message := make([]byte, unix.SizeofIfAddrmsg)
		message[0] = family
		binary.NativeEndian.PutUint32(message[4:], uint32(index))
		answers, err := askIn(namespace, nsQuestion{
			kind: unix.RTM_GETADDR, flags: unix.NLM_F_DUMP, message: message,
			attribute: unix.IFA_TARGET_NETNSID,
		})
		if errors.Is(err, errTooMany) {
			tooMany, err = err, nil
		}
		if err != nil {
			return nil, err
		}
		for _, data := range answers {
			if a, at, ok := decodeAddr(data); ok && data[0] == family {
				addrs[at] = append(addrs[at], a)
			}
		}
	}
	return addrs, tooMany
}

// decodeAddr reads the address of a message and the index of its interface.
func decodeAddr(message []byte) (held heldAddr, index int, ok bool) {
	if len(message) < unix.SizeofIfAddrmsg {
		return held, 0, false
	}
	// struct ifaddrmsg: the index follows four fields of one byte.
	index = int(binary.NativeEndian.Uint32(message[4:]))
	attributes, err := wire.NewAttributeDecoder(message[unix.SizeofIfAddrmsg:])
	if err != nil {
		return held, index, false
	}
	var local, address netip.Addr
	for attributes.Next() {
		switch attributes.Type() {
		case unix.IFA_LOCAL: // of a point-to-point interface IFA_ADDRESS is its peer's
			local, _ = netip.AddrFromSlice(attributes.Bytes())
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(attributes.Bytes())
		case unix.IFA_CACHEINFO:
			if info := attributes.Bytes(); len(info) >= unix.SizeofIfaCacheinfo {
				held.since = sinceTicks(binary.NativeEndian.Uint32(info[12:])) // tstamp
			}
		}
	}
	if held.addr = local; !local.IsValid() {
		held.addr = address
	}
	return held, index, held.addr.IsValid()
}

// tick is the kernel's unit of time towards programs (USER_HZ, which is 100 on all architectures
// that Go has but one).
const tick = 10 * time.Millisecond

// now is the time since the kernel's start, without sleep.
func now() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // fails for unknown clocks only
	return time.Duration(ts.Nano())
}

// sinceTicks completes a number of ticks since the kernel's start, whose 32 bits are full after 497
// days. The kernel's ticks can be a little ahead of its clock.
func sinceTicks(ticks uint32) time.Duration {
	const ahead = time.Second
	at := int64((now() + ahead) / tick)
	return time.Duration(at-int64(uint32(at)-ticks)) * tick
}

// insideLink is an interface in another namespace; its zero value is one that is gone.
type insideLink struct {
	name, kind string
	mac        ruleset.MAC
}

// linkIn asks what an interface in another namespace is.
func linkIn(at far) (insideLink, error) {
	message := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(message[4:], uint32(at.index))
	answers, err := askIn(at.namespace, nsQuestion{
		kind: unix.RTM_GETLINK, message: message, attribute: unix.IFLA_TARGET_NETNSID,
	})
	if err != nil || len(answers) == 0 || len(answers[0]) < unix.SizeofIfInfomsg {
		return insideLink{}, err
	}
	return decodeLink(answers[0][unix.SizeofIfInfomsg:])
}

// decodeLink reads the attributes of an interface. The kernel states a kind only for those that are
// made by software, so one without is a device.
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
func namespaces() ([]int, error) {
	answers, err := ask(unix.RTM_GETNSID, unix.NLM_F_DUMP, make([]byte, rtgenmsgSize))
	if err != nil {
		return nil, err
	}
	var all []int
	for _, data := range answers {
		attributes, err := wire.NewAttributeDecoder(data[min(len(data), rtgenmsgSize):])
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
