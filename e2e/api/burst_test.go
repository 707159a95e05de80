package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

const (
	crowdSize = 2000
	liveSize  = 1000 // come while the agents watch, the others while they are away
	subjects  = 100  // of the crowd, on the first node
	creators  = 16
)

// Pods that come all at once are all there in the end, and the agents stay ready. What comes faster
// than the kernel takes it is taken together.
func TestBurst(t *testing.T) {
	w := newShopCluster(t)
	w.apply(`
metadata: {name: crowd-to-shop}
spec: {podSelector: {matchExpressions: [{key: app, operator: In, values: [web, far]}]}, ingress: [{from: [{podSelector: {matchLabels: {crowd: all}}}]}]}`)
	w.apply(`
metadata: {name: web-to-subjects}
spec: {podSelector: {matchLabels: {subject: "true"}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`)
	w.reaches()
	unready := w.watchReadiness()
	w.burst(0, liveSize, 1)
	w.away()
	w.burst(liveSize, crowdSize, 10)
	if err := unready(); err != nil {
		t.Error(err)
	}
}

// burst registers pods, and makes the API server reachable if it is not. An agent may take no more
// than a transaction for every so many pods.
func (w *testCluster) burst(from, to, share int) {
	w.Helper()
	before, start := w.transactions(), time.Now()
	w.must(nil, w.registerBurst(from, to))
	last := time.Now()
	for _, a := range w.agents {
		a.back()
	}
	eventually(w.T, wait, func() error { return w.checkBurst(to) })
	converged := time.Now()
	for i, n := range w.transactions() {
		w.Logf("%s: %d pods made in %s, in the kernel %s later, %.0f transactions", w.nodes[i],
			to-from,
			last.Sub(start).Round(time.Millisecond), converged.Sub(last).Round(time.Millisecond),
			n-before[i])
		if most := (to - from) / share; n-before[i] > float64(most) {
			w.Errorf("%s took %.0f transactions, %d at most", w.nodes[i], n-before[i], most)
		}
	}
}

// burstPod is the i-th pod of the burst: every other one is on the first node.
func (w *testCluster) burstPod(i int) sandbox.Pod {
	node := i % 2
	return sandbox.Pod{Name: fmt.Sprintf("%s/crowd-%d", w.namespace, i), Node: w.nodes[node],
		Addrs: w.addrs(node, 256+i)}
}

func isSubject(i int) bool { return i%2 == 0 && i < 2*subjects }

// registerBurst registers pods as fast as the API server takes them.
func (w *testCluster) registerBurst(from, to int) error {
	var all sync.WaitGroup
	errs := make(chan error, creators)
	for c := range creators {
		all.Go(func() {
			for i := from + c; i < to; i += creators {
				labels := map[string]string{"crowd": "all", "subject": fmt.Sprint(isSubject(i))}
				if err := w.register(w.burstPod(i), labels); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs // nil if there is none
}

const committed = `picket_transactions_total{result="committed"}`

func (w *testCluster) transactions() (each []float64) {
	for _, a := range w.agents {
		each = append(each, a.metric(committed))
	}
	return each
}

// watchReadiness asks the agents all the time until its result is called, which is the first
// complaint.
func (w *testCluster) watchReadiness() func() error {
	ctx, stop := context.WithCancel(w.Context())
	result := make(chan error, 1)
	go func() {
		var err error
		for ; err == nil && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			for _, a := range w.agents {
				err = errors.Join(err, a.Ready())
			}
		}
		result <- err
	}()
	return func() error {
		stop()
		return <-result
	}
}

// checkBurst compares what the kernels hold of the first pods with what they should: who may send,
// in one set, and who is isolated.
func (w *testCluster) checkBurst(size int) error {
	var errs []error
	for node := range w.nodes {
		have, err := w.table(w.nodes[node])
		errs = append(errs, err)
		for f, family := range []string{"4", "6"} {
			crowd, isolated := []string{}, []string{w.addrs(node, 5)[f].String()}
			for i := range size {
				addr := w.burstPod(i).Addrs[f].String()
				crowd = append(crowd, addr)
				if isSubject(i) && i%2 == node {
					isolated = append(isolated, addr)
				}
			}
			errs = append(errs, have.check(w.nodes[node], family, crowd, isolated))
		}
	}
	return errors.Join(errs...)
}

func (t table) check(node, family string, crowd, isolated []string) error {
	slices.Sort(crowd)
	slices.Sort(isolated)
	if got := t["ingress"+family]; !slices.Equal(got, isolated) {
		return fmt.Errorf("%s isolates %d addresses of IPv%s, not just the %d that it should", node,
			len(got), family, len(isolated))
	}
	for name, members := range t {
		if strings.HasPrefix(name, "pods"+family) && slices.Equal(members, crowd) {
			return nil
		}
	}
	return fmt.Errorf("%s has no set of IPv%s with just the crowd of %d", node, family, len(crowd))
}
