package host

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// hiding says why the packets of an address cannot be shown to pass a hook, if they cannot: by the
// way that leads to it, and by the bridge that it was seen on, nil if there is none. An address
// that a bridge of the node has a route to, and that nobody has there, is that of a pod that does
// not run.
func hiding(w way, seen *bridge) string {
	switch {
	case w.absent || w.own:
		return ""
	case seen != nil && seen.filtering:
		return fmt.Sprintf("it is on %s, a bridge with vlan_filtering, which shows no hook what "+
			"its ports say to each other; "+
			"switch that off (ip link set %[1]s type bridge vlan_filtering 0)", seen.name)
	// The node has a route to it by a bridge, which can show its packets to the hook.
	case w.kind == bridgeKind:
		return ""
	case seen != nil:
		return fmt.Sprintf("it is on %s, a bridge that this node has no address on, nor a route "+
			"to the pod by; "+
			"give it one (ip address add ADDRESS dev %[1]s)", seen.name)
	case w.name == "":
		return "no interface of this node leads to it; " + advice
	}
	return fmt.Sprintf("the way to it is %s, %s, which is not its own; %s", w.name,
		kindName(w.kind), advice)
}

// advice is what to do about a pod that is attached so that no hook sees its packets.
const advice = "attach the pod to a bridge of this node, or by a veth with a route to it"

// kindName says what people call a kind of interface.
func kindName(kind string) string {
	if kind == "device" {
		return "a physical interface"
	}
	return "of kind " + kind
}

// explain adds which interface the pods have themselves, where the kernel tells: it has a number
// for the namespaces that an interface of this one was moved to. It stops after patience, however
// many namespaces are left.
func explain(hidden map[netip.Addr]string) {
	if len(hidden) == 0 {
		return
	}
	all, err := namespaces()
	if err != nil {
		return // it is more than what has to be known
	}
	for began := time.Now(); len(all) > 0 && time.Since(began) < patience; all = all[1:] {
		explainIn(all[0], hidden)
	}
}

// explainIn is explain for the pods in one network namespace. What the kernel does not tell is left
// out.
func explainIn(namespace int, hidden map[netip.Addr]string) {
	addrs, err := addrsIn(namespace, 0)
	if err != nil && !errors.Is(err, errTooMany) {
		return
	}
	for index, list := range addrs {
		for _, held := range list {
			reason, is := hidden[held.addr]
			if !is {
				continue
			}
			// A veth hides nobody, so the reason stays as it is.
			if inside, err := linkIn(far{namespace, index}); err == nil && inside.kind != "veth" {
				hidden[held.addr] = fmt.Sprintf("its interface %s is %s; %s", inside.name,
					kindName(inside.kind), reason)
			}
		}
	}
}
