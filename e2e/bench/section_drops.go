package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/samplecluster"
)

const dropsText = `What it costs that the agent reads the log of denied packets and tells of them in
names (the default), beside one that does not (--read-drops=false); both count. One pod sends
datagrams that policies deny, each from a new port. RSS (VmRSS) is that of the end of a quiet time,
and that of the end of all. The share of a core is the agent's, by the kernel's scheduler, while
these datagrams are denied. The last columns are those of "End to end" meanwhile: what is measured
there takes longer here, since two pods send at once. The agents take turns; the A/A is of the
share of a core.`

// The pod whose packets are denied, and the one that never gets them.
var (
	deniedPod = sandbox.Pod{
		Name: ownSpace + "/denied", Node: samplecluster.LocalNode,
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.250")},
	}
	silentPod = sandbox.Pod{
		Name: ownSpace + "/silent", Node: samplecluster.LocalNode,
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.251")},
	}
)

// reading is one way to run the agent, with what was measured of it.
type reading struct {
	name        string
	args        []string
	quiet, late []memory
	share       []float64 // of a core
	rate        float64   // denied packets a second, the highest
	took        samples   // from a call to the API until the traffic is denied
}

// runDrops compares agents that read the log of denied packets with such as do not.
func runDrops(ctx context.Context, s scale) (p part, err error) {
	ways := []*reading{{name: "read"}, {name: "not read", args: []string{"--read-drops=false"}}}
	err = withEndToEnd(ctx, samplecluster.Sized(s.pods[0]), 4, func(e *endToEnd) error {
		return e.readByTurns(ctx, s, ways)
	})
	if err != nil {
		return p, err
	}
	p.text = dropsText
	p.heads = []string{"the log is", "RSS", "RSS at the end", "denied a second", "of a core",
		"policy created, traffic denied p50", "p99", "A/A"}
	for _, way := range ways {
		p.row(way.row()...)
	}
	p.targets = dropTargets(ways[0], ways[1])
	return p, nil
}

// readByTurns runs the agent each way twice.
func (e *endToEnd) readByTurns(ctx context.Context, s scale, ways []*reading) error {
	denied, err := e.addDenied(ctx)
	if err != nil {
		return err
	}
	for range 2 {
		for _, way := range ways {
			if err := e.read(ctx, s, way, denied); err != nil {
				return errors.Join(fmt.Errorf("%s: %w", way.name, err), denied.close())
			}
		}
	}
	return denied.close()
}

// addDenied adds the pods and the policy that isolates one of them.
func (e *endToEnd) addDenied(ctx context.Context) (*datagrams, error) {
	const role = "denied"
	for pod, role := range map[*sandbox.Pod]string{&deniedPod: role, &silentPod: "silent"} {
		if err := errors.Join(e.AddPod(*pod), e.real.RegisterPod(ctx, *pod,
			map[string]string{"role": role})); err != nil {
			return nil, err
		}
	}
	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: role},
		Spec: networkingv1.NetworkPolicySpec{PodSelector: withRole(role),
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}}}
	_, err := e.real.Admin.NetworkingV1().NetworkPolicies(ownSpace).Create(ctx, policy,
		metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return newDatagrams(e.Cluster, deniedPod, silentPod)
}

// read runs the agent one way, first quietly, then while packets are denied.
func (e *endToEnd) read(ctx context.Context, s scale, way *reading, denied *datagrams) error {
	err := e.agent.cleanup()
	if err == nil {
		e.agent, _, err = e.startAgent(way.args...)
	}
	if err == nil {
		err = pause(ctx, min(s.idle, quiet+10*time.Second))
	}
	if err != nil {
		return err
	}
	m, err := e.agent.memory()
	if err != nil {
		return err
	}
	way.quiet = append(way.quiet, m)
	sending := denied.begin()
	defer sending.end()
	if err := way.measure(ctx, s, e.agent, sending); err != nil {
		return err
	}
	e.forget()
	if err := e.run(ctx, min(25, s.rounds)); err != nil {
		return err
	}
	way.took = append(way.took, e.changes[0].took...)
	m, err = e.agent.memory()
	way.late = append(way.late, m)
	return err
}

// measure takes the agent's share of a core while packets are denied.
func (w *reading) measure(ctx context.Context, s scale, a *agent, sending *sending) error {
	if err := pause(ctx, time.Second); err != nil { // until it is steady
		return err
	}
	before, err := a.used()
	if err != nil {
		return err
	}
	began, sent := time.Now(), sending.count()
	if err := pause(ctx, min(s.idle, 20*time.Second)); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := a.used()
	w.share = append(w.share, float64(after-before)/float64(took))
	w.rate = max(w.rate, float64(sending.count()-sent)/took.Seconds())
	return err
}

// mean is the mean of some numbers.
func mean(of []float64) (sum float64) {
	for _, x := range of {
		sum += x / float64(len(of))
	}
	return sum
}

// resident is the largest RSS of some.
func resident(of []memory) (most int) {
	for _, m := range of {
		most = max(most, m.resident)
	}
	return most
}

func (w *reading) row() []string {
	return []string{w.name, megabytes(resident(w.quiet)), megabytes(resident(w.late)),
		count(int(w.rate)), share(mean(w.share)), short(w.took.median()), short(w.took.at(0.99)),
		times(w.again())}
}

// again is the ratio of the second turn to the first.
func (w *reading) again() float64 { return w.share[1] / w.share[0] }

// dropTargets are of what reading adds when nobody asks, and of what it costs
// while packets are denied.
func dropTargets(read, not *reading) []target {
	const most, part, rate = 10e6, 0.05, 10_000
	added := resident(read.quiet) - resident(not.quiet)
	at := mean(read.share) * rate / read.rate
	ratio := float64(read.took.median()) / float64(not.took.median())
	return []target{
		{what: "RSS that reading adds", bound: "≤ " + megabytes(most), figure: megabytes(added),
			again: float64(read.quiet[1].resident) / float64(read.quiet[0].resident),
			met:   added <= most},
		{what: "of a core, for 10,000 denied packets a second", bound: "≤ " + share(part),
			figure: share(at), again: read.again(), met: at <= part},
		ratioTarget("policy created, traffic denied p50 meanwhile, read / not read", 1.1, ratio,
			read.took.again()),
	}
}
