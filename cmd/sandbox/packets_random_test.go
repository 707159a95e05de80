package sandbox_test

import (
	"flag"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

var (
	packetWorlds = flag.Int("packet-worlds", 100, "random worlds to hold real packets against")
	packetSeed   = flag.Uint64("packet-seed", 1, "of the first random world")
)

const (
	packetEdits  = 2   // of each random world
	packetProbes = 400 // at most, of each state of a world
	packetPorts  = 3   // of those that a world speaks of
)

// sizes of random worlds, in turn: as an API server admits them, with bad input, and with pods of
// one family. They speak of SCTP where the kernel has sockets of it.
func sizes() []oracle.Size {
	none := sandbox.SCTP.Supported() != nil
	return []oracle.Size{
		{Valid: true, Dual: true, NoSCTP: none},
		{Dual: true, NoSCTP: none, Ranges: true},
		{NoSCTP: none, Ranges: true, Policies: 8},
	}
}

// What gets through between pods, hosts and the outside is what the text of the API allows, in
// random worlds and after each of a few edits: in one cluster, that goes from world to world by the
// difference alone, in any order of events.
func TestRandomWorldsOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	tally := map[string]int{}
	for i := range *packetWorlds {
		seed := *packetSeed + uint64(i)
		random := rand.New(rand.NewPCG(seed, 3))
		sizes := sizes()
		size := sizes[seed%uint64(len(sizes))]
		var before *oracle.World
		w := oracle.Random(random, size)
		for step := range packetEdits + 1 {
			w = withoutEnds(w)
			r.build(w)
			events := r.news(w)
			random.Shuffle(len(events), func(i, j int) {
				events[i], events[j] = events[j],
					events[i]
			})
			r.feed(events...)
			questions := r.questions(random, before, w)
			if wrong := r.ask(questions); len(wrong) > 0 {
				t.Fatalf("-packet-seed %d, after %d edits (all worlds since the first one may "+
					"matter): %d of %d answers are wrong:\n  %s\n%s\n%s",
					seed, step, len(wrong), len(questions),
					strings.Join(wrong[:min(len(wrong), 20)], "\n  "), w, r.tables())
			}
			r.count(tally, w, questions)
			before, w = w, size.Edit(random, w)
		}
		r.agree(before)
	}
	t.Logf("%d worlds, %d edits each: %v", *packetWorlds, packetEdits, tally)
}

// count notes what was tested, and what could not be: live pods whose every address is another's.
func (r *rig) count(tally map[string]int, w *oracle.World, questions []question) {
	for _, q := range questions {
		tally["flows "+q.verdict()]++
	}
	for _, p := range w.Pods {
		_, built := r.pods[p.Namespace+"/"+p.Name]
		over := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		a, err := netip.ParseAddr(p.Status.PodIP)
		switch {
		case built:
			tally["pods built"]++
		case p.Spec.HostNetwork || err != nil:
		case over && w.PodAt(a) != nil:
			tally["addresses reused"]++
		case !over:
			tally["pods left out"]++
		}
	}
}

// withoutEnds takes back that namespaces terminate: their deleted policies go on isolating, which a
// world, having no past, does not say.
func withoutEnds(w *oracle.World) *oracle.World {
	alive := *w
	alive.Namespaces = nil
	for _, ns := range w.Namespaces {
		if ns.DeletionTimestamp != nil {
			ns = ns.DeepCopy()
			ns.DeletionTimestamp = nil
		}
		alive.Namespaces = append(alive.Namespaces, ns)
	}
	return &alive
}

// questions are about flows between pods, hosts and the outside, over some of the ports that the
// world speaks of: first those whose answer is not what it was before, then any, up to a bound.
func (r *rig) questions(random *rand.Rand, before, w *oracle.World) []question {
	ports := portsOf(random, w)
	var questions []question
	for _, pair := range r.pairs() {
		if r.isDisputed(w, pair.from, pair.flow.From) || r.isDisputed(w, pair.to, pair.flow.To) {
			continue
		}
		for _, proto := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
			for _, port := range ports {
				q := pair
				q.flow.Protocol, q.flow.Port = proto, port
				q.allow = w.Allowed(q.flow)
				questions = append(questions, q)
			}
		}
	}
	random.Shuffle(len(questions), func(i, j int) {
		questions[i], questions[j] = questions[j],
			questions[i]
	})
	slices.SortStableFunc(questions, func(a, b question) int {
		return rank(before, a) - rank(before, b)
	})
	return questions[:min(len(questions), packetProbes)]
}

// isDisputed reports whether a pod or the object of another node says that it has a host's address.
// The oracle believes it, since no object says which addresses the kernel has.
func (r *rig) isDisputed(w *oracle.World, name string, a netip.Addr) bool {
	return r.isHost(name) && (slices.ContainsFunc(w.Pods,
		func(p *corev1.Pod) bool { return slices.Contains(policy.PodAddrs(p), a) }) ||
		slices.ContainsFunc(w.Nodes, func(n *corev1.Node) bool {
			return hostOf(n.Name) != name && slices.Contains(policy.NewNode(n).Addrs, a)
		}))
}

func rank(before *oracle.World, q question) int {
	if before != nil && before.Allowed(q.flow) != q.allow {
		return 0
	}
	return 1
}

// portsOf draws some of the ports that are worth asking about.
func portsOf(random *rand.Rand, w *oracle.World) []int32 {
	seen := map[int32]bool{}
	var ports []int32
	for _, f := range w.Flows() {
		if f.Protocol == corev1.ProtocolTCP && !seen[f.Port] {
			seen[f.Port] = true
			ports = append(ports, f.Port)
		}
	}
	random.Shuffle(len(ports), func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
	return ports[:min(len(ports), packetPorts)]
}

// pairs are questions without protocol: from every pod and host to every address of every other.
// What two hosts say to each other is nobody's business.
func (r *rig) pairs() []question {
	ends := map[string][]netip.Addr{}
	for _, n := range rigNodes() {
		ends[hostOf(n.Name)] = n.Addrs
	}
	for name, p := range r.pods {
		ends[name] = slices.DeleteFunc(slices.Clone(p.Addrs), isAnycast)
	}
	var pairs []question
	for from, sources := range ends {
		for to, targets := range ends {
			if from == to || r.isHost(from) && r.isHost(to) {
				continue
			}
			for _, target := range targets {
				if source := alike(sources, target); source.IsValid() {
					pairs = append(pairs, question{from: from, to: to,
						flow: oracle.Flow{From: source, To: target}})
				}
			}
		}
	}
	slices.SortFunc(pairs, func(a, b question) int {
		return strings.Compare(a.String(), b.String())
	})
	return pairs
}

// isAnycast reports whether an address is the first of a node's pod range in IPv6, which is that of
// all routers on the link (RFC 4291): no pod answers at it.
func isAnycast(a netip.Addr) bool {
	return a.Is6() && slices.ContainsFunc(rigNodes(), func(n sandbox.Node) bool {
		return slices.ContainsFunc(n.PodCIDRs, func(p netip.Prefix) bool {
			return p.Masked().Addr() == a
		})
	})
}

func (r *rig) isHost(name string) bool {
	_, isPod := r.pods[name]
	return !isPod
}

// alike is the first address of a family, which is the one that a pod sends from.
func alike(addrs []netip.Addr, like netip.Addr) netip.Addr {
	for _, a := range addrs {
		if a.Is4() == like.Is4() {
			return a
		}
	}
	return netip.Addr{}
}
