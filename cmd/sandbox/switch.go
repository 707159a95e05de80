package sandbox

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// nodeSwitch is the switch between the nodes: a bridge in a namespace of its own.
type nodeSwitch struct {
	*namespace
	links  *netlink.Handle
	bridge int
	ports  int // made so far; numbers the next one
}

// newSwitch makes the switch without ports; each node adds its own.
func newSwitch() (_ *nodeSwitch, err error) {
	s := &nodeSwitch{}
	if s.namespace, err = newNamespace(asSwitch); err != nil {
		return nil, err
	}
	if s.links, err = s.namespace.links(); err != nil {
		return nil, errors.Join(err, s.ns.Close())
	}
	if s.bridge, err = newBridge(s.links, "switch", nil); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// portName is another name each time, since the other ends are all called eth0.
func (s *nodeSwitch) portName() string {
	s.ports++
	return fmt.Sprintf("node%d", s.ports)
}

// close lets go of the namespace, and the switch goes with it.
func (s *nodeSwitch) close() error {
	s.links.Close()
	return s.ns.Close()
}
