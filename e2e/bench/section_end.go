package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/e2e/apiserver"
)

const endText = `Packets on a real kube-apiserver that holds the cluster: one pod of the node sends datagrams to another, each from a new
socket, one every %s (p50; p99 %s): finer than that nothing can be told. The time is from before the call to the
API server until the first datagram that fares as it should from then on is sent. The whole machine is in it: API server,
etcd, agent and the pods share its cores.
An object of the API says to the second when it was changed, so the agent cannot tell how long the API took: no metric
of it would be honest. Here a watch of the benchmark's own on the same server tells, when the event arrives (seen). The
agent's part is the difference of its histogram picket_enforcement_latency_seconds before and after all of it: from an
event's arrival in the agent to its commit in the kernel. A deleted policy stays in force until the API server has said
that its namespace does not end (CVE-2024-7598), and both calls are in its time, too.`

// runEnd measures changes by packets.
func runEnd(ctx context.Context, s scale) (p part, err error) {
	size := samplecluster.Sized(s.pods[len(s.pods)-2])
	size.Local -= min(2, size.Local) // room for those that knock
	st, err := realStage(ctx, size)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, st.end()) }()
	t, err := openTheatre(ctx, st)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	const times, warm = 200, 10
	if err := t.play(ctx, min(warm, s.rounds), nil); err != nil {
		return p, err
	}
	before, err := t.agent.histograms()
	if err != nil {
		return p, err
	}
	if err := t.play(ctx, min(times, 2*s.rounds), &p); err != nil {
		return p, err
	}
	after, err := t.agent.histograms()
	if err != nil {
		return p, err
	}
	p.text = fmt.Sprintf(endText, short(t.pauses.median()), short(t.pauses.at(0.99)))
	p.ends(size, t.acts(), after, before)
	return p, nil
}

// ends tells of all acts and of what the agent says of itself.
func (p *part) ends(size samplecluster.Size, acts []*act, after, before map[string]histogram) {
	p.heads = []string{"change", "times", "p50", "fastest", "p90", "p99", "API call p50", "seen p50", "seen p99", "agent p50", "agent p99", "of it commit p50"}
	for _, a := range acts {
		p.row(a.name, fmt.Sprint(len(a.took)), short(a.took.median()), short(a.took.at(0)), short(a.took.at(0.9)), short(a.took.at(0.99)),
			short(a.call.median()), short(a.seen.median()), short(a.seen.at(0.99)), short(a.agent.median()), short(a.agent.at(0.99)), short(a.commit.median()))
		if a.promised {
			again := a.half(1).over(a.half(0))
			what := fmt.Sprintf("%s, %s policies, ", a.name, count(size.Policies))
			p.targets = append(p.targets, timeTarget(what+"p50", 10*time.Millisecond, a.took.median(), again),
				timeTarget(what+"p99", 50*time.Millisecond, a.took.at(0.99), again))
		}
	}
	d := after[latencyMetric].since(before[latencyMetric])
	p.row("all of them, by the agent's histogram", fmt.Sprint(d.count), "≤ "+short(d.at(0.5)), "", "≤ "+short(d.at(0.9)), "≤ "+short(d.at(0.99)), "", "", "", "", "", "")
}

// act is one of the changes, again and again: how long it took in all, the call alone, until a watch saw it, and what
// the agent says of its part.
type act struct {
	name                            string
	promised                        bool
	took, call, seen, agent, commit samples
}

// half is every other one of the times: half against half is the A/A.
func (a *act) half(which int) (h samples) {
	for i, d := range a.took {
		if i%2 == which {
			h = append(h, d)
		}
	}
	return h
}

// change does one thing to the API, and waits for what it makes of the knocks.
func (t *theatre) change(a *act, call func() error, outcome func(*round) (time.Time, error)) error {
	before, err := t.agent.sums()
	if err != nil {
		return err
	}
	r := t.knocks.begin()
	defer func() { t.pauses = append(t.pauses, r.end()...) }()
	time.Sleep(2 * time.Millisecond) // until they are on their way
	t.drain()
	began := time.Now()
	if err := call(); err != nil {
		return err
	}
	called := time.Since(began)
	at, err := outcome(r)
	if err != nil {
		return fmt.Errorf("%s: %w", a.name, err)
	}
	seen, err := t.seen(began)
	if err != nil {
		return fmt.Errorf("%s, the %d. time: %w", a.name, len(a.took)+1, err)
	}
	took := max(0, at.Sub(began))
	a.took, a.call = append(a.took, took), append(a.call, called)
	a.seen = append(a.seen, seen)
	return a.note(t.agent, before)
}

// note takes in what the agent has added to its histograms.
func (a *act) note(of *agent, before map[string]time.Duration) error {
	var after map[string]time.Duration
	err := apiserver.Poll(time.Second, func() (err error) { // packets may be there before the kernel's answer is
		if after, err = of.sums(); err == nil && after[latencyMetric] == before[latencyMetric] {
			err = errors.New("the agent has observed nothing")
		}
		return err
	})
	a.agent = append(a.agent, after[latencyMetric]-before[latencyMetric])
	a.commit = append(a.commit, after[commitMetric]-before[commitMetric])
	return err
}

// arrival is when the benchmark's own watches heard of something.
func (t *theatre) listen(w watch.Interface) {
	for range w.ResultChan() {
		select {
		case t.heard <- time.Now():
		default:
		}
	}
}

func (t *theatre) drain() {
	for len(t.heard) > 0 {
		<-t.heard
	}
}

func (t *theatre) seen(since time.Time) (time.Duration, error) {
	for {
		select {
		case at := <-t.heard:
			if at.After(since) {
				return at.Sub(since), nil
			}
		case <-time.After(5 * time.Second):
			return 0, errors.New("the benchmark's own watch has heard nothing")
		}
	}
}

// watchOwn follows the pods and policies of the benchmark's namespace from now on.
func (t *theatre) watchOwn(ctx context.Context) error {
	pods, policies := t.real.Admin.CoreV1().Pods(ownSpace), t.real.Admin.NetworkingV1().NetworkPolicies(ownSpace)
	isPods, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	isPolicies, err := policies.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	onPods, err := pods.Watch(ctx, metav1.ListOptions{ResourceVersion: isPods.ResourceVersion})
	if err != nil {
		return err
	}
	onPolicies, err := policies.Watch(ctx, metav1.ListOptions{ResourceVersion: isPolicies.ResourceVersion})
	if err != nil {
		return err
	}
	go t.listen(onPods)
	go t.listen(onPolicies)
	return nil
}
