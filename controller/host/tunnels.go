package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/mdlayher/genetlink"
	wire "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Ports of tunnels that the kernel does not tell.
const (
	flannelPort = 8285 // of flannel's udp backend, a process behind a tun device of that name
	gtpPort     = 2152 // GTP-U (3GPP TS 29.281)
)

// flannelTun is the tun device of flannel's udp backend.
const flannelTun = "flannel0"

// tunnelsOf lists where this node takes packets out of others that anybody can send to it: vxlan,
// geneve, bareudp, gtp and fou devices, and flannel's udp backend. IP in IP and GRE have no ports.
// WireGuard and IPsec are not among them: they take nothing from who has no key.
func tunnelsOf(links []netlink.Link) ([]ruleset.Tunnel, error) {
	ports := map[uint16]bool{}
	for _, l := range links {
		if port := tunnelPort(l); port != 0 {
			// Several interfaces can share a port.
			ports[port] = true
		}
	}
	if err := addFouPorts(ports); err != nil {
		return nil, err
	}
	var tunnels []ruleset.Tunnel
	for port := range ports {
		tunnels = append(tunnels, ruleset.Tunnel{Proto: ruleset.UDP, Port: port})
	}
	slices.SortFunc(tunnels, func(a, b ruleset.Tunnel) int { return int(a.Port) - int(b.Port) })
	return tunnels, nil
}

// tunnelPort returns the UDP port at which an interface takes packets out of others; 0: at none.
func tunnelPort(l netlink.Link) uint16 {
	switch l := l.(type) {
	case *netlink.Vxlan:
		return uint16(l.Port)
	case *netlink.Geneve:
		return l.Dport
	case *netlink.BareUDP:
		return l.Port
	case *netlink.GTP:
		return gtpPort
	case *netlink.Tuntap:
		if l.Name == flannelTun {
			return flannelPort
		}
	}
	return 0
}

// addFouPorts adds those of foo over UDP and generic UDP encapsulation, which are no interfaces. A
// kernel without the module has none. The list is asked for by genetlink: netlink.FouList reads
// beyond its header.
func addFouPorts(ports map[uint16]bool) error {
	list, err := fouList()
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list foo over UDP ports: %w", err)
	}
	for _, m := range list {
		attributes, err := wire.NewAttributeDecoder(m.Data)
		if err != nil {
			return fmt.Errorf("read a foo over UDP port: %w", err)
		}
		// Ports are in network byte order.
		attributes.ByteOrder = binary.BigEndian
		for attributes.Next() {
			if attributes.Type() == netlink.FOU_ATTR_PORT {
				ports[attributes.Uint16()] = true
			}
		}
		if err := attributes.Err(); err != nil {
			return fmt.Errorf("read a foo over UDP port: %w", err)
		}
	}
	return nil
}

// fouList asks for the receive ports of foo over UDP, of both families at once.
func fouList() ([]genetlink.Message, error) {
	conn, err := genetlink.Dial(nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	family, err := conn.GetFamily("fou")
	if err != nil {
		return nil, err
	}
	get := genetlink.Message{Header: genetlink.Header{Command: netlink.FOU_CMD_GET,
		Version: family.Version}}
	return conn.Execute(get, family.ID, wire.Request|wire.Dump)
}
