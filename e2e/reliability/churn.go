package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// The crowd stands in manifests only: pods without a network namespace, and policies about them.
// More than 8 pods of node n1 would only cost time: its agent asks the kernel for the route to
// each.
const (
	crowdSpace       = "crowd"
	crowdFiles       = 6 // of 8 pods each; the first file is that of n1
	crowdPolicies    = 20
	crowdGroups      = 7
	otherClientCount = 6 // pods in the namespace of the test pods that are clients or not
)

// churn rewrites manifests on which the traffic of the test pods does not depend.
type churn struct {
	folder folder
	random *rand.Rand
}

// setState writes all of these manifests anew, in one of two states (0 or 1) that differ in nearly
// all.
func (c churn) setState(state int) error {
	var errs []error
	for i := range crowdFiles {
		errs = append(errs, c.crowd(i, func(pod int) int { return pod * (state + 1) }))
	}
	for i := range crowdPolicies {
		errs = append(errs, c.policy(i, (i+state)%2 == 0))
	}
	return errors.Join(append(errs,
		c.otherClients(func(pod int) bool { return (pod+state)%2 == 0 }),
		c.portPolicy(state == 1, state))...)
}

// unrelated changes pods and policies that no rule of a test pod speaks of.
func (c churn) unrelated() error {
	if c.random.IntN(2) == 0 {
		return c.policy(c.random.IntN(crowdPolicies), c.random.IntN(2) == 0)
	}
	return c.crowd(c.random.IntN(crowdFiles), func(int) int { return c.random.IntN(crowdGroups) })
}

// related changes rules of the test pods that no flow is about.
func (c churn) related() error {
	if c.random.IntN(2) == 0 {
		return c.otherClients(func(int) bool { return c.random.IntN(2) == 0 })
	}
	return c.portPolicy(c.random.IntN(2) == 0, c.random.IntN(crowdGroups))
}

// keepChanging changes manifests, pause by pause, until it is stopped; stop says what went wrong.
func (c churn) keepChanging(pause time.Duration) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx, pause) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func (c churn) run(ctx context.Context, pause time.Duration) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := c.change(); err != nil {
			return fmt.Errorf("change manifests: %w", err)
		}
	}
}

// change makes one random change.
func (c churn) change() error {
	if c.random.IntN(4) == 0 {
		return c.related()
	}
	return c.unrelated()
}

// crowd writes one file of pods of the crowd, in these groups.
func (c churn) crowd(file int, group func(pod int) int) error {
	var documents []string
	for i := range 8 {
		pod, node := 8*file+i, min(file+1, 2)
		spec := sandbox.Pod{Name: fmt.Sprintf("%s/c%d", crowdSpace, pod), Node: nodeName(node),
			Addrs: addrs(node, 100+pod)}
		documents = append(documents, podManifest(spec, "group", groupName(group(pod))))
	}
	return c.folder.put(fmt.Sprintf("crowd-%d.yaml", file), documents...)
}

func groupName(n int) string { return fmt.Sprintf("g%d", n%crowdGroups) }

// policy writes a policy of the crowd, or takes it away.
func (c churn) policy(i int, there bool) error {
	name := fmt.Sprintf("policy-%d.yaml", i)
	if !there {
		return c.folder.drop(name)
	}
	return c.folder.put(name, fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: crowd, name: p%d}
spec:
  podSelector: {matchLabels: {group: %s}}
  ingress: [{from: [{podSelector: {matchLabels: {group: %s}}}, {ipBlock: {cidr: 192.0.%d.0/24}}], ports: [{port: %d}]}]
`, i, groupName(i), groupName(i/3), i, 1000+i))
}

// otherClients writes pods beside the test pods, of which some are clients.
func (c churn) otherClients(client func(pod int) bool) error {
	var documents []string
	for i := range otherClientCount {
		app := "nobody"
		if client(i) {
			app = "client"
		}
		spec := sandbox.Pod{Name: fmt.Sprintf("%s/x%d", shop, i), Node: nodeName(2),
			Addrs: addrs(2, 20+i)}
		documents = append(documents, podManifest(spec, "app", app))
	}
	return c.folder.put("other-clients.yaml", documents...)
}

// portPolicy writes a policy that opens another port of web for a group of the crowd, or takes it
// away.
func (c churn) portPolicy(there bool, group int) error {
	if !there {
		return c.folder.drop("port-policy.yaml")
	}
	return c.folder.put("port-policy.yaml", fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: port-policy}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {group: %s}}}], ports: [{port: 9000}]}]
`, groupName(group)))
}
