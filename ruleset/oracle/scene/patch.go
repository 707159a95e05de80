package scene

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// change is made to the one object of a list that has a name. It works on values, so that one
// serves all kinds; keep is false for an object that goes.
type change struct {
	name string
	of   func(object any) (text []byte, keep bool, err error)
}

// patch reads "kind name YAML" and merges the YAML into that object.
func (r *reader) patch(s statement) error {
	words, text := s.yaml(2)
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	return r.withKind(words[0], change{words[1], func(object any) ([]byte, bool, error) {
		data, err := json.Marshal(object)
		if err != nil {
			return nil, true, err
		}
		var whole map[string]any
		if err := json.Unmarshal(data, &whole); err != nil {
			return nil, true, err
		}
		merged, err := json.Marshal(merge(whole, fields))
		return merged, true, err
	}})
}

// dropped is the change that takes an object away.
func dropped(name string) change {
	return change{name, func(any) ([]byte, bool, error) { return nil, false, nil }}
}

// merge is a JSON merge patch (RFC 7386): null takes a field away, objects are merged, everything
// else is replaced.
func merge(whole, fields map[string]any) map[string]any {
	if whole == nil {
		whole = map[string]any{}
	}
	for key, value := range fields {
		if inner, isObject := value.(map[string]any); isObject {
			old, _ := whole[key].(map[string]any)
			value = merge(old, inner)
		}
		whole[key] = value
		if value == nil {
			delete(whole, key)
		}
	}
	return whole
}

// withKind changes an object of the world.
func (r *reader) withKind(kind string, c change) error {
	switch strings.ToLower(kind) {
	case "node":
		return changeOne(&r.world.Nodes, c)
	case "namespace":
		return changeOne(&r.world.Namespaces, c)
	case "pod":
		return changeOne(&r.world.Pods, c)
	case "policy":
		return changeOne(&r.world.Policies, c)
	}
	return fmt.Errorf("%q is no kind; expected node, namespace, pod or policy", kind)
}

// changeOne replaces an object of a list by a changed copy, or takes it out.
func changeOne[T any, P interface {
	*T
	metav1.Object
}](list *[]P, c change) error {
	i := slices.IndexFunc(*list, func(o P) bool { return nameOf(o) == c.name })
	if i < 0 {
		return fmt.Errorf("there is no %q", c.name)
	}
	text, keep, err := c.of((*list)[i])
	if err != nil {
		return err
	}
	if !keep {
		*list = slices.Delete(*list, i, i+1)
		return nil
	}
	next := P(new(T))
	if err := yaml.UnmarshalStrict(text, next); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", " "))
	}
	(*list)[i] = next
	return nil
}
