package reach_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// Wherever the oracle decides otherwise after a change, whatever the port and the address outside,
// Compare tells of a link between the two ends; and the ranges outside that it tells of are so as a
// whole.
func TestDiffTellsOfWhateverChanges(t *testing.T) {
	changed, outside := 0, 0
	for seed := range uint64(worlds / 4) {
		r := rand.New(rand.NewPCG(seed, 31))
		w := oracle.Random(r, oracle.Size{Valid: seed%2 == 0, Policies: 6, Pods: 4})
		before, after := changedWorlds(r, w)
		b, a := ask.New(policy.Objects(before), nil), ask.New(policy.Objects(after), nil)
		x := &wholeDiff{t: t, seed: seed, before: &before, after: &after, diff: reach.Compare(b, a)}
		for _, port := range someOf(r, 8, allPorts(b, a)) {
			for _, p := range b.Pods {
				if p.Host {
					continue
				}
				for _, o := range b.Pods {
					if !o.Host && o.Key != p.Key {
						changed += x.check(p, end{o.Workload.String(), o.Addrs}, port)
					}
				}
				for _, addr := range someOf(r, 12, addressesBeside(b, a)) {
					outside += x.check(p, end{addrs: []netip.Addr{addr}}, port)
				}
			}
		}
		x.checkRanges(b, a)
	}
	if t.Logf("%d between pods and %d outside changed", changed, outside); min(changed, outside) < worlds {
		t.Error("too few changed to tell anything")
	}
}

// changedWorlds takes policies out of each of two copies of a world, and a port out of the middle
// of a range, or adds a block.
func changedWorlds(r *rand.Rand, w *oracle.World) (before, after oracle.World) {
	before, after = *w, *w
	n := len(w.Policies)
	if n == 0 {
		return before, after
	}
	before.Policies, after.Policies = slices.Clone(w.Policies[:n-n/3]), slices.Clone(w.Policies[n/3:])
	i := r.IntN(n - n/3)
	if r.IntN(2) == 0 {
		// What stays and what comes have blocks around one address.
		stays, comes := withBlock(r, w.Policies[i], "stays"), withBlock(r, w.Policies[i], "comes")
		before.Policies = append(before.Policies, stays)
		after.Policies = append(after.Policies, stays, comes)
		return before, after
	}
	wide, split := before.Policies[i].DeepCopy(), before.Policies[i].DeepCopy()
	whole, parts := portsFrom(1000, 1020), slices.Concat(portsFrom(1000, 1009), portsFrom(1011, 1020))
	for j := range wide.Spec.Ingress {
		wide.Spec.Ingress[j].Ports, split.Spec.Ingress[j].Ports = whole, parts
	}
	for j := range wide.Spec.Egress {
		wide.Spec.Egress[j].Ports, split.Spec.Egress[j].Ports = whole, parts
	}
	before.Policies[i] = wide
	after.Policies = append(slices.DeleteFunc(after.Policies, func(np *networkingv1.NetworkPolicy) bool {
		return np.Namespace == split.Namespace && np.Name == split.Name
	}), split)
	return before, after
}

// withBlock returns another policy for the pods of one, with a block of any size around one
// address.
func withBlock(r *rand.Rand, np *networkingv1.NetworkPolicy, name string) *networkingv1.NetworkPolicy {
	np = np.DeepCopy()
	np.Name, np.Annotations = name, nil
	bits := []int{8, 12, 16, 24, 32}[r.IntN(5)]
	block := netip.PrefixFrom(netip.MustParseAddr("172.20.30.40"), bits)
	peers := []networkingv1.NetworkPolicyPeer{
		{IPBlock: &networkingv1.IPBlock{CIDR: block.Masked().String()}}}
	np.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	np.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: peers}}
	return np
}

// portsFrom is a range of ports.
func portsFrom(first, last int32) []networkingv1.NetworkPolicyPort {
	return []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(first)), EndPort: &last}}
}

// someOf draws some of a list.
func someOf[T any](r *rand.Rand, most int, all []T) []T {
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(most, len(all))]
}

// allPorts are the ends of what policies name, those beside them, and what has no port.
func allPorts(states ...*ask.Cluster) []ask.Port {
	all := []ask.Port{{}}
	for _, proto := range ruleset.Protocols {
		numbers := []int{0, 80}
		for _, c := range states {
			for _, p := range c.Policies {
				for _, r := range slices.Concat(p.Rules[:]...) {
					for _, ports := range r.Ports {
						for _, x := range ports.Ranges {
							numbers = append(numbers, int(x.First)-1, int(x.First), int(x.Last),
								int(x.Last)+1)
						}
					}
				}
			}
			for _, pod := range c.Pods {
				for _, p := range pod.Ports {
					numbers = append(numbers, int(p.Number)-1, int(p.Number), int(p.Number)+1)
				}
			}
		}
		slices.Sort(numbers)
		for _, n := range slices.Compact(numbers) {
			if 0 <= n && n <= 65535 {
				all = append(all, ask.Port{Protocol: proto, Number: uint16(n)})
			}
		}
	}
	return all
}

// addressesBeside are those at the ends of all ipBlocks and beside them, and those of the internet,
// which nobody states.
func addressesBeside(states ...*ask.Cluster) (all []netip.Addr) {
	for _, c := range states {
		all = append(all, c.Outside()...)
		for _, p := range c.Policies {
			for _, r := range slices.Concat(p.Rules[:]...) {
				for _, b := range r.Blocks {
					all = append(all, b.First.Prev(), b.First, b.Last, b.Last.Next())
				}
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.DeleteFunc(slices.Compact(all), func(a netip.Addr) bool {
		return !a.IsValid() || a.IsUnspecified() || states[0].IsStated(a) || states[1].IsStated(a)
	})
}

// end is a workload, or an address outside, which has no name.
type end struct {
	name  string
	addrs []netip.Addr
}

// wholeDiff is what Compare says, and what it is compared with.
type wholeDiff struct {
	t             *testing.T
	seed          uint64
	before, after *oracle.World
	diff          reach.Diff
}

// check wants a link for each change of a flow between a pod and another end, and counts them.
func (x *wholeDiff) check(p ask.Pod, other end, port ask.Port) (changes int) {
	x.t.Helper()
	o := ask.Pod{Addrs: other.addrs}
	for d, ends := range [2][2]ask.Pod{{o, p}, {p, o}} {
		was := families(x.before, ends[0], ends[1], port)
		is := families(x.after, ends[0], ends[1], port)
		cut, _ := lost(was, is)
		opened, _ := lost(is, was)
		for _, side := range []struct {
			changes bool
			links   []reach.Link
		}{{cut, x.diff.Cuts}, {opened, x.diff.Opens}} {
			if !side.changes {
				continue
			}
			changes++
			told := slices.ContainsFunc(side.links, func(l reach.Link) bool {
				names := [2]string{l.From, l.To}
				return names[1-d] == p.Workload.String() && other.is(names[d])
			})
			if !told {
				x.t.Fatalf("world %d: %s and %s%v at %s (%v): was %v, is %v, and nothing is told", x.seed, p.Key,
					other.name, other.addrs, port, d, was, is)
			}
		}
	}
	return changes
}

// is reports whether a name in a link means the end. The internet can be any address outside.
func (e end) is(name string) bool {
	if e.name != "" || name == ask.Internet {
		return e.name == name || e.name == ""
	}
	r, ok := rangeOf(name)
	return ok && r.Contains(e.addrs[0])
}

// rangeOf reads the name of a range in a link.
func rangeOf(name string) (ruleset.Range, bool) {
	if p, err := netip.ParsePrefix(name); err == nil {
		return ruleset.RangeOf(p), true
	}
	first, last, _ := strings.Cut(name, "-")
	a, wrong := netip.ParseAddr(first)
	b, bad := netip.ParseAddr(last)
	return ruleset.Range{First: a, Last: b}, wrong == nil && bad == nil
}

// checkRanges wants the oracle to say of every address of a range what is said of the range.
func (x *wholeDiff) checkRanges(b, a *ask.Cluster) {
	x.t.Helper()
	ports := map[string]ask.Port{}
	for _, p := range allPorts(b, a) {
		ports[nameOf(p)] = p
	}
	beside := addressesBeside(b, a)
	for sense, links := range [][]reach.Link{x.diff.Cuts, x.diff.Opens} {
		for _, l := range links {
			for d, names := range [][2]string{{l.From, l.To}, {l.To, l.From}} {
				r, isRange := rangeOf(names[0])
				for _, addr := range beside {
					if !isRange || !r.Contains(addr) {
						continue
					}
					if !x.says(linkOf{b.Pods, names[1], d}, addr, ports[l.Port], sense) {
						x.t.Fatalf("world %d: %+v is told of, and %s is decided about otherwise", x.seed, l, addr)
					}
				}
			}
		}
	}
}

// linkOf is the workload of a link, and where it stands in it.
type linkOf struct {
	pods     []ask.Pod
	workload string
	at       int // 0: it receives
}

// says reports whether some pod of a workload is cut off from an address, or opened to it (sense
// 1).
func (x *wholeDiff) says(l linkOf, addr netip.Addr, port ask.Port, sense int) bool {
	return slices.ContainsFunc(l.pods, func(p ask.Pod) bool {
		if p.Host || p.Workload.String() != l.workload {
			return false
		}
		ends := [2]ask.Pod{{Addrs: []netip.Addr{addr}}, p}
		from, to := ends[l.at], ends[1-l.at]
		worlds := [2]*oracle.World{x.before, x.after}
		changes, _ := lost(families(worlds[sense], from, to, port),
			families(worlds[1-sense], from, to, port))
		return changes
	})
}
