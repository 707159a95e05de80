package iptables

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Messages by which the kernel destroys a set, and changes single elements. The program ipset does
// the same in a process, which takes fifty times as long.

// Numbers of linux/netfilter/nfnetlink.h and linux/netfilter/ipset/ip_set.h.
const (
	ipsetSubsystem = 6
	ipsetProtocol  = 6 // the oldest that kernels know

	ipsetDestroy = 3
	ipsetAdd     = 9
	ipsetDel     = 10
	ipsetHeader  = 12

	attrProtocol = 1 // of a message
	attrName     = 2
	attrData     = 7

	attrIP        = 1 // of an element
	attrCIDR      = 3
	attrPort      = 4
	attrProto     = 7
	attrSecondIP  = 20
	attrInterface = 23
)

// verbs are the commands that lines for ipset begin with and messages can say.
var verbs = map[string]int{"add": ipsetAdd, "del": ipsetDel}

// mostMessages is how many elements are changed one by one. The program puts many into a message.
const mostMessages = 100

// errNotSent says that lines are for the program.
var errNotSent = errors.New("not for messages")

// sendElements carries lines out, if they are a few that add and delete elements. What is there
// already, or gone already, is no error. After one, the program can do all of it again.
func (b *Backend) sendElements(lines []string) error {
	if len(lines) > mostMessages {
		return errNotSent
	}
	var messages []netlink.Message
	for _, line := range lines {
		words := strings.Fields(line)
		data, ok := elementData(words[len(words)-1])
		command, is := verbs[words[0]]
		if !is || !ok {
			return errNotSent
		}
		messages = append(messages, setMessage(command, words[1],
			netlink.Attribute{Type: attrData | netlink.Nested, Data: data}))
	}
	kernel, err := b.dial()
	if err != nil {
		return err
	}
	defer kernel.Close()
	for _, m := range messages {
		if _, err := kernel.Execute(m); err != nil {
			return err
		}
	}
	return nil
}

// answering is how long the kernel has for all messages of one socket. Each takes microseconds; an
// answer that got lost must not hold everything up.
const answering = 3 * time.Second

// dial opens a socket to the netfilter of the backend's namespace.
func (b *Backend) dial() (*netlink.Conn, error) {
	kernel, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: b.options.NetNS})
	if err != nil {
		return nil, err
	}
	if err := kernel.SetDeadline(time.Now().Add(answering)); err != nil {
		return nil, errors.Join(err, kernel.Close())
	}
	return kernel, nil
}

// setMessage is a command of ipset about one set, with more attributes.
func setMessage(command int, set string, more ...netlink.Attribute) netlink.Message {
	attributes := append([]netlink.Attribute{
		{Type: attrProtocol, Data: []byte{ipsetProtocol}},
		{Type: attrName, Data: append([]byte(set), 0)},
	}, more...)
	header := []byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0} // a set is found by its name alone
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(ipsetSubsystem<<8 | command),
			Flags: netlink.Request | netlink.Acknowledge},
		Data: append(header, encoded(attributes...)...),
	}
}

// encoded is attributes as the kernel reads them. None is too long for that.
func encoded(attributes ...netlink.Attribute) []byte {
	data, _ := netlink.MarshalAttributes(attributes)
	return data
}

// elementData is the attributes of an element of any type of set; false: it is none.
func elementData(element string) (data []byte, ok bool) {
	parts := strings.Split(element, ",")
	prefix, err := parsePrefix(parts[0])
	attributes := []netlink.Attribute{addressAttribute(attrIP, prefix.Addr())}
	if !prefix.IsSingleIP() {
		attributes = append(attributes, netlink.Attribute{Type: attrCIDR,
			Data: []byte{byte(prefix.Bits())}})
	}
	ok = err == nil && len(parts) <= 3
	if len(parts) > 1 {
		m, isPort := memberOf(ruleset.SetID{Kind: ruleset.AddressPorts},
			prefix.Addr().String()+","+parts[1])
		if isPort {
			attributes = append(attributes, portAttributes(m)...)
		} else {
			attributes = append(attributes, netlink.Attribute{Type: attrInterface,
				Data: append([]byte(parts[1]), 0)})
		}
	}
	if len(parts) > 2 {
		second, err := netip.ParseAddr(parts[2])
		attributes = append(attributes, addressAttribute(attrSecondIP, second))
		ok = ok && err == nil
	}
	return encoded(attributes...), ok
}

// portAttributes are a protocol and a port.
func portAttributes(m ruleset.Member) []netlink.Attribute {
	return []netlink.Attribute{
		{Type: attrPort | netlink.NetByteOrder, Data: binary.BigEndian.AppendUint16(nil, m.Port)},
		{Type: attrProto, Data: []byte{byte(m.Proto)}},
	}
}

// addressAttribute is an address of either family, which is told by its type.
func addressAttribute(kind uint16, a netip.Addr) netlink.Attribute {
	family := uint16(1)
	if a.Is6() {
		family = 2
	}
	return netlink.Attribute{Type: kind | netlink.Nested, Data: encoded(netlink.Attribute{
		Type: family | netlink.NetByteOrder, Data: a.AsSlice()})}
}
