package sandbox

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// fabric is the switch between the nodes: a bridge in a namespace of its own.
type fabric struct {
	*space
	links  *netlink.Handle
	bridge int
	ports  int // made so far; numbers the next one
}

// newFabric makes the switch without ports; nodes plug themselves in.
func newFabric() (_ *fabric, err error) {
	f := &fabric{}
	if f.space, err = newSpace(asSwitch); err != nil {
		return nil, err
	}
	if f.links, err = f.space.links(); err != nil {
		return nil, errors.Join(err, f.ns.Close())
	}
	if f.bridge, err = newBridge(f.links, "switch", nil); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// portName is another name each time, since the other ends are all called eth0.
func (f *fabric) portName() string {
	f.ports++
	return fmt.Sprintf("node%d", f.ports)
}

func (f *fabric) close() error {
	f.links.Close()
	return f.ns.Close()
}
