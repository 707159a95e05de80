package sandbox_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// build brings the pods of the sandbox to those of a world.
func (r *rig) build(w *oracle.World) {
	r.t.Helper()
	want := r.packetPods(w)
	for name, p := range r.pods {
		if !reflect.DeepEqual(want[name], p) {
			r.must(r.DeletePod(name))
			delete(r.pods, name)
		}
	}
	for name, p := range want {
		if _, exists := r.pods[name]; !exists {
			r.must(r.AddPod(p))
			r.pods[name] = p
		}
	}
}

// packetPods are the pods of a world that packets can have: on a node that is there, with the
// addresses that are the pod's own. Where two live pods claim an address only the one that has it
// is built; pods that are over are not, so their addresses can be others'. For hostNetwork pods the
// hosts stand.
func (r *rig) packetPods(w *oracle.World) map[string]sandbox.Pod {
	pods := map[string]sandbox.Pod{}
	for _, p := range w.Pods {
		if r.agents[p.Spec.NodeName] == nil {
			continue
		}
		if own := slices.DeleteFunc(ownAddrs(w, p), isForAll); len(own) > 0 {
			name := p.Namespace + "/" + p.Name
			pods[name] = sandbox.Pod{Name: name, Node: p.Spec.NodeName, Addrs: own}
		}
	}
	return pods
}

// isForAll reports whether the kernel takes an address for one of all hosts: before Linux 5.14 the
// lowest of a range is.
func isForAll(a netip.Addr) bool {
	var u unix.Utsname
	var version [2]int
	if !a.Is4() || a.As4()[3] != 0 || unix.Uname(&u) != nil {
		return false
	}
	release := unix.ByteSliceToString(u.Release[:])
	_, err := fmt.Sscanf(release, "%d.%d", &version[0], &version[1])
	return err == nil && slices.Compare(version[:], []int{5, 14}) < 0
}

func ownAddrs(w *oracle.World, p *corev1.Pod) []netip.Addr {
	texts := []string{p.Status.PodIP}
	for _, ip := range p.Status.PodIPs {
		texts = append(texts, ip.IP)
	}
	var own []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && w.PodAt(a) == p {
			own = append(own, a)
		}
	}
	slices.SortFunc(own, netip.Addr.Compare)
	return slices.Compact(own)
}

// tell feeds the controllers what differs from the world before and waits until the kernels hold
// it.
func (r *rig) tell(w *oracle.World) {
	r.t.Helper()
	r.feed(r.news(w)...)
}

// news are the events that lead from the world before to this one, which the controllers are to be
// told.
func (r *rig) news(w *oracle.World) []graph.Event {
	events := moves(r.told, w)
	r.told = w
	return events
}

// feed sends events in one mail to every controller and waits until the kernels hold them.
func (r *rig) feed(events ...graph.Event) {
	r.t.Helper()
	r.send(events...)
	r.waitInForce()
}

// send does not wait.
func (r *rig) send(events ...graph.Event) {
	for _, a := range r.agents {
		a.deliver(source.Mail{Events: events})
	}
}

// moves are the events that lead from one world to another.
func moves(from, to *oracle.World) []graph.Event {
	var events []graph.Event
	changed(&events, from.Namespaces, to.Namespaces)
	changed(&events, from.Nodes, to.Nodes)
	changed(&events, from.Pods, to.Pods)
	changed(&events, from.Policies, to.Policies)
	return events
}

// changed adds an event for every object that is not the very same one.
func changed[T interface {
	comparable
	GetNamespace() string
	GetName() string
}](events *[]graph.Event, from, to []T) {
	have := map[policy.Key]T{}
	for _, o := range from {
		have[policy.Key{Namespace: o.GetNamespace(), Name: o.GetName()}] = o
	}
	for _, o := range to {
		key := policy.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
		if have[key] != o {
			*events = append(*events, graph.EventOf(o))
		}
		delete(have, key)
	}
	for _, o := range from {
		key := policy.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
		if _, left := have[key]; left {
			*events = append(*events, graph.GoneOf(o, key))
		}
	}
}
