package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// soak has pods, labels, namespaces and policies come, change and go for a long time. In the end
// the agents must need no more memory, goroutines and descriptors than in the second quarter of
// that time.
type soak struct{}

func (soak) Name() string { return "soak" }

func (soak) Plan() plan { return plan{} }

func (soak) Inject(s *testbed) error {
	if err := s.addNewPodServers(); err != nil {
		return err
	}
	k := &soaking{testbed: s, starts: &starts{testbed: s},
		samples: make([][]metrics, len(s.agents))}
	length := s.env.soak
	if length == 0 {
		length = time.Duration(s.times(600, 20)) * time.Second
	}
	stop := s.churn.keepChanging(20 * time.Millisecond)
	err := k.change(length)
	if err := errors.Join(err, stop(), k.removeSpaces()); err != nil {
		return err
	}
	s.done("50 changes a second, %d pods and namespaces that came and went, in %v",
		k.starts.next+k.spaces, length)
	for i, a := range s.agents {
		k.checkGrowth(a.node, k.samples[i])
	}
	return nil
}

// soaking is the state of the row.
type soaking struct {
	testbed *testbed
	starts  *starts
	spaces  int         // namespaces that came
	samples [][]metrics // by agent
}

// spacesAtOnce is how many namespaces are there at one time.
const spacesAtOnce = 5

// change has namespaces and live pods come and go, and reads the metrics of the agents.
func (k *soaking) change(length time.Duration) error {
	for end := time.Now().Add(length); time.Now().Before(end); {
		_, err := k.starts.many(2, "soak", k.starts.wave)
		if err := errors.Join(err, k.addSpace(), k.sample()); err != nil {
			return err
		}
		k.testbed.sleep(200 * time.Millisecond)
	}
	return nil
}

// addSpace writes a namespace that there was not before, and removes the oldest.
func (k *soaking) addSpace() error {
	f, n := k.testbed.folder, k.spaces
	k.spaces++
	return errors.Join(f.put(spaceFile(n), spaceObjects(n)...), f.drop(spaceFile(n-spacesAtOnce)))
}

func spaceFile(n int) string { return fmt.Sprintf("space-%d.yaml", n) }

// spaceObjects is a namespace with a pod of each node and a policy, all with names of their own.
func spaceObjects(n int) []string {
	space := fmt.Sprintf("space%d", n)
	documents := []string{namespace(space), fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: %s, name: p%d}
spec:
  podSelector: {}
  ingress: [{from: [{podSelector: {matchLabels: {space: x%[2]d}}}, {ipBlock: {cidr: 198.18.%d.0/24}}], ports: [{port: %d}]}]
`, space, n, n%256, 1+n%65535)}
	for node := 1; node <= 2; node++ {
		pod := sandbox.Pod{Name: fmt.Sprintf("%s/p%d", space, node), Node: nodeName(node),
			Addrs: addrs(node, 230+n%20)}
		documents = append(documents, podManifest(pod, "space", fmt.Sprintf("x%d", n)))
	}
	return documents
}

// removeSpaces removes the namespaces that are left.
func (k *soaking) removeSpaces() error {
	var errs []error
	for n := range k.spaces {
		errs = append(errs, k.testbed.folder.drop(spaceFile(n)))
	}
	return errors.Join(errs...)
}

func (k *soaking) sample() error {
	for i, a := range k.testbed.agents {
		f, err := a.metrics()
		if err != nil {
			return err
		}
		k.samples[i] = append(k.samples[i], f)
	}
	return nil
}

// checkGrowth compares the last quarter of the time with the second.
func (k *soaking) checkGrowth(node string, samples []metrics) {
	quarter := len(samples) / 4
	if quarter == 0 {
		k.testbed.fault("%s: only %d looks", node, len(samples))
		return
	}
	for _, x := range []struct {
		name         string
		unit, margin float64 // margin: growth that says nothing
	}{{memory, megabyte, memoryNoise}, {goroutines, 1, 3}, {descriptor, 1, 3}} {
		before, after := median(samples[quarter:2*quarter], x.name),
			median(samples[len(samples)-quarter:], x.name)
		k.testbed.note("%s: %s: %.1f, then %.1f", node, x.name, before/x.unit, after/x.unit)
		if after > before+max(before/10, x.margin) {
			k.testbed.fault("%s: %s has grown from %.0f to %.0f", node, x.name, before, after)
		}
	}
}

func median(samples []metrics, name string) float64 {
	var all []float64
	for _, f := range samples {
		all = append(all, f[name])
	}
	slices.Sort(all)
	return all[len(all)/2]
}
