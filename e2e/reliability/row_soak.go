package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// soak has pods, labels, namespaces and policies come, change and go for a long time. In the end the agents must
// need no more memory, goroutines and descriptors than in the second quarter of that time.
type soak struct{}

func (soak) Name() string { return "soak" }

func (soak) Plan() plan { return plan{} }

func (soak) Inject(s *scene) error {
	if err := s.settleHallAndVault(); err != nil {
		return err
	}
	k := &soaking{scene: s, starts: &starts{scene: s}, samples: make([][]figures, len(s.agents))}
	length := s.lab.soak
	if length == 0 {
		length = time.Duration(s.times(600, 20)) * time.Second
	}
	stop := s.churn.keep(20 * time.Millisecond)
	err := k.goOn(length)
	if err := errors.Join(err, stop(), k.leave()); err != nil {
		return err
	}
	s.done("50 changes a second, %d pods and namespaces that came and went, in %v", k.starts.next+k.guests, length)
	for i, a := range s.agents {
		k.judge(a.node, k.samples[i])
	}
	return nil
}

// soaking is the work of that row.
type soaking struct {
	scene   *scene
	starts  *starts
	guests  int         // namespaces that came
	samples [][]figures // by agent
}

// guestsAtOnce are there at one time.
const guestsAtOnce = 5

// goOn has guests come and go, with live pods and without, and looks at the agents.
func (k *soaking) goOn(length time.Duration) error {
	for end := time.Now().Add(length); time.Now().Before(end); {
		_, err := k.starts.many(2, "soak", k.starts.wave)
		if err := errors.Join(err, k.invite(), k.sample()); err != nil {
			return err
		}
		k.scene.sleep(200 * time.Millisecond)
	}
	return nil
}

// invite states a namespace that nobody has had before, and takes back the eldest.
func (k *soaking) invite() error {
	f, n := k.scene.folder, k.guests
	k.guests++
	return errors.Join(f.put(guestFile(n), guest(n)...), f.drop(guestFile(n-guestsAtOnce)))
}

func guestFile(n int) string { return fmt.Sprintf("guest-%d.yaml", n) }

// guest is a namespace with a pod of each node and a policy, all with names of their own.
func guest(n int) []string {
	space := fmt.Sprintf("guest%d", n)
	documents := []string{namespace(space), fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: %s, name: p%d}
spec:
  podSelector: {}
  ingress: [{from: [{podSelector: {matchLabels: {guest: x%[2]d}}}, {ipBlock: {cidr: 198.18.%d.0/24}}], ports: [{port: %d}]}]
`, space, n, n%256, 1+n%65535)}
	for node := 1; node <= 2; node++ {
		pod := sandbox.Pod{Name: fmt.Sprintf("%s/p%d", space, node), Node: nodeName(node), Addrs: addrs(node, 230+n%20)}
		documents = append(documents, podManifest(pod, "guest", fmt.Sprintf("x%d", n)))
	}
	return documents
}

// leave takes back what is left of the guests.
func (k *soaking) leave() error {
	var errs []error
	for n := range k.guests {
		errs = append(errs, k.scene.folder.drop(guestFile(n)))
	}
	return errors.Join(errs...)
}

func (k *soaking) sample() error {
	for i, a := range k.scene.agents {
		f, err := a.figures()
		if err != nil {
			return err
		}
		k.samples[i] = append(k.samples[i], f)
	}
	return nil
}

// judge compares the last quarter with the second.
func (k *soaking) judge(node string, samples []figures) {
	quarter := len(samples) / 4
	if quarter == 0 {
		k.scene.fault("%s: only %d looks", node, len(samples))
		return
	}
	for _, x := range []struct {
		name         string
		unit, margin float64 // margin: growth that says nothing
	}{{memory, megabyte, memoryNoise}, {goroutines, 1, 3}, {descriptor, 1, 3}} {
		before, after := median(samples[quarter:2*quarter], x.name), median(samples[len(samples)-quarter:], x.name)
		k.scene.note("%s: %s: %.1f, then %.1f", node, x.name, before/x.unit, after/x.unit)
		if after > before+max(before/10, x.margin) {
			k.scene.fault("%s: %s has grown from %.0f to %.0f", node, x.name, before, after)
		}
	}
}

func median(samples []figures, name string) float64 {
	var all []float64
	for _, f := range samples {
		all = append(all, f[name])
	}
	slices.Sort(all)
	return all[len(all)/2]
}
