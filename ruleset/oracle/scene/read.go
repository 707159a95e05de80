package scene

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset/oracle"
)

// reader carries out the statements of a scene one after the other.
type reader struct {
	scene *Scene
	world *oracle.World // as it is now
	step  Step
}

// read carries out one statement.
func (r *reader) read(s statement) error {
	if strings.HasPrefix(s.word, "allow") || strings.HasPrefix(s.word, "deny") {
		return r.readFlow(s)
	}
	switch s.word {
	case "problem":
		r.step.Problems = append(r.step.Problems, s.text())
		return nil
	case "no":
		return r.readRefusal(s.text())
	case "then":
		return r.readThen(s.text())
	}
	if len(r.step.Flows) > 0 {
		return errors.New("an object behind flows; expected a line \"then WHAT HAPPENS\" before it")
	}
	return r.readObject(s)
}

// readObject changes an object of the world.
func (r *reader) readObject(s statement) error {
	switch s.word {
	case "node":
		n, err := newNode(strings.Fields(s.text()))
		return put(&r.world.Nodes, n, err)
	case "namespace":
		ns, err := newNamespace(strings.Fields(s.text()))
		return put(&r.world.Namespaces, ns, err)
	case "pod":
		p, err := newPod(r.world, strings.Fields(s.text()))
		return put(&r.world.Pods, p, err)
	case "policy":
		p, err := newPolicy(s)
		return put(&r.world.Policies, p, err)
	case "patch":
		return r.patch(s)
	case "delete":
		kind, name, _ := strings.Cut(s.text(), " ")
		return r.withKind(kind, dropped(name))
	}
	return fmt.Errorf("%q is no statement; expected node, namespace, pod, policy, patch, delete, "+
		"each, then, problem, no, or a flow, which starts with allow or deny", s.word)
}

// newPolicy reads "namespace/name spec".
func newPolicy(s statement) (*networkingv1.NetworkPolicy, error) {
	words, spec := s.yaml(1)
	if err := named(&networkingv1.NetworkPolicy{}, words[0]); err != nil {
		return nil, err
	}
	return oracle.ParsePolicy(words[0] + " " + spec)
}

// readFlow reads a flow between what there is now, for each family that is meant.
func (r *reader) readFlow(s statement) error {
	flows, err := parseFlows(r.world, s)
	r.step.Flows = append(r.step.Flows, flows...)
	return err
}

// readRefusal reads "packets: reason" or "oracle: reason".
func (r *reader) readRefusal(text string) error {
	layer, reason, _ := strings.Cut(text, ": ")
	switch {
	case layer == "packets" && reason != "":
		r.scene.NoPackets = reason
	case layer == "oracle" && reason != "":
		r.scene.NoOracle = reason
	default:
		return errors.New(`expected "no packets: REASON" or "no oracle: REASON"`)
	}
	return nil
}

// readThen ends a step.
func (r *reader) readThen(what string) error {
	if what == "" || len(r.step.Flows) == 0 {
		return errors.New(`expected "then WHAT HAPPENS", behind a flow`)
	}
	r.endStep()
	r.step.Name = what
	return nil
}

// endStep keeps the world as it is now.
func (r *reader) endStep() {
	r.step.World = clone(r.world)
	r.scene.Steps = append(r.scene.Steps, r.step)
	r.step = Step{}
}

// clone copies the lists, not the objects.
func clone(w *oracle.World) *oracle.World {
	return &oracle.World{
		Namespaces: slices.Clone(w.Namespaces),
		Pods:       slices.Clone(w.Pods),
		Nodes:      slices.Clone(w.Nodes),
		Policies:   slices.Clone(w.Policies),
	}
}
