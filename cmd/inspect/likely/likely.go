// Package likely guesses what somebody meant who wrote a label, a name or a namespace that nobody
// has. A guess is a hint for people, and decides nothing.
package likely

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset/policy"
)

// Selector returns what a selector that selects nobody asks for, and what was probably meant:
// "app=backend", or that the pods are elsewhere. meant is empty where nothing is like it.
func Selector(c *ask.Cluster, s *policy.Selector) (text, meant string) {
	text = Text(s.Pods)
	if s.Namespaces != nil && !anyNamespace(c, s) {
		return Text(s.Namespaces), Namespaces(c, s.Namespaces)
	}
	if fixed := Labels(s.Pods, podLabels(c, s)); fixed != "" {
		return text, fixed
	}
	return text, elsewhere(c, s)
}

// Text writes a label selector as people do: app=web,tier in (a,b); "all pods" for an empty one.
func Text(s labels.Selector) string {
	if s.Empty() {
		return "all pods"
	}
	return s.String()
}

// anyNamespace reports whether a selector selects a namespace.
func anyNamespace(c *ask.Cluster, s *policy.Selector) bool {
	return slices.ContainsFunc(c.NamespaceNames(), func(name string) bool {
		return s.MatchesNamespace(c.Namespace(name))
	})
}

// Nobody says what else is known of a selector that selects nobody: that pods on their nodes'
// network have the labels, or that the labels of namespaces were not read. It is empty where
// nothing is.
func Nobody(c *ask.Cluster, s *policy.Selector) string {
	if host := OnNode(c, s); host != "" {
		return fmt.Sprintf("%s has the labels, and is on its node's network (hostNetwork), "+
			"so a podSelector never matches it", host)
	}
	if s.Namespaces == nil || anyNamespace(c, s) {
		return ""
	}
	if names := Unlabelled(c, s); len(names) > 0 {
		return "namespaces that are no objects here, so that their labels are not known: " +
			strings.Join(names[:min(3, len(names))], ", ")
	}
	return "no Namespace here has " + Text(s.Namespaces)
}

// OnNode returns a pod on its node's network that has the labels of a selector; empty: there is
// none.
func OnNode(c *ask.Cluster, s *policy.Selector) string {
	for _, p := range c.Pods {
		if p.Host && s.MatchesNamespace(c.Namespace(p.Namespace)) &&
			s.Pods.Matches(labels.Set(p.Labels)) {
			return p.Key.String()
		}
	}
	return ""
}

// builtIn are the namespaces that every cluster has.
var builtIn = []string{metav1.NamespaceDefault, corev1.NamespaceNodeLease, metav1.NamespacePublic,
	metav1.NamespaceSystem}

// Unlabelled returns the namespaces that pods are in, or that every cluster has, which are no
// objects, where a selector that no namespace matches could match them: it asks for more than
// names, or for this one.
func Unlabelled(c *ask.Cluster, s *policy.Selector) (names []string) {
	known := c.NamespaceNames()
	for _, name := range known {
		if c.Namespace(name).Implied && !byNameAlone(s.Namespaces) {
			names = append(names, name)
		}
	}
	for _, name := range builtIn {
		if !slices.Contains(known, name) && s.MatchesNamespace(c.Namespace(name)) {
			names = append(names, name)
		}
	}
	return names
}

// InEveryCluster reports whether a selector that no namespace matches means one that is only not
// read: every cluster has it.
func InEveryCluster(c *ask.Cluster, s *policy.Selector) bool {
	return s.Namespaces != nil && !anyNamespace(c, s) &&
		slices.ContainsFunc(builtIn, func(name string) bool {
			return s.MatchesNamespace(c.Namespace(name))
		})
}

// byNameAlone reports whether a selector of namespaces asks for nothing but their names.
func byNameAlone(s labels.Selector) bool {
	requirements, _ := s.Requirements()
	return !slices.ContainsFunc(requirements, func(r labels.Requirement) bool {
		return r.Key() != corev1.LabelMetadataName
	})
}

// podLabels returns the labels of all pods in the namespaces of a selector.
func podLabels(c *ask.Cluster, s *policy.Selector) []map[string]string {
	var all []map[string]string
	for _, p := range c.Pods {
		if s.MatchesNamespace(c.Namespace(p.Namespace)) && !p.Host {
			all = append(all, p.Labels)
		}
	}
	return all
}

// Labels returns the requirement that was probably meant by one that no set of labels meets.
func Labels(s labels.Selector, have []map[string]string) string {
	requirements, _ := s.Requirements()
	// What must not be there cannot be misspelt in a way that selects nobody.
	for _, r := range requirements {
		if r.Operator() == selection.DoesNotExist || r.Operator() == selection.NotIn {
			continue
		}
		met := func(l map[string]string) bool { return r.Matches(labels.Set(l)) }
		if slices.ContainsFunc(have, met) {
			continue
		}
		if fixed := requirement(r, have); fixed != "" {
			return fixed
		}
	}
	return ""
}

// requirement returns the label that is most like one that nobody has: the same key with another
// value, or another key with the value.
func requirement(r labels.Requirement, have []map[string]string) string {
	keys, values := map[string]bool{}, map[string]bool{}
	for _, l := range have {
		for key, value := range l {
			keys[key] = true
			if key == r.Key() {
				values[value] = true
			}
		}
	}
	known := slices.Sorted(maps.Keys(keys))
	// Where others have the key, it is the value that is wrong.
	if keys[r.Key()] {
		for _, value := range r.Values().List() {
			if near := ask.Nearest(value, slices.Sorted(maps.Keys(values))); near != "" {
				return r.Key() + "=" + near
			}
		}
		known = slices.DeleteFunc(known, func(key string) bool { return key == r.Key() })
	}
	return otherKey(r, known, have)
}

// otherKey returns the label of another key that has one of the values: app for
// app.kubernetes.io/name is as frequent a mistake as a misspelt key.
func otherKey(r labels.Requirement, known []string, have []map[string]string) string {
	near := ask.Nearest(r.Key(), known)
	for _, key := range append([]string{near}, known...) {
		for _, value := range r.Values().List() {
			has := func(l map[string]string) bool { return key != "" && l[key] == value }
			if slices.ContainsFunc(have, has) && !ask.IsVolatile(key) {
				return key + "=" + value
			}
		}
	}
	if near != "" && r.Operator() == selection.Exists {
		return near
	}
	return ""
}

// elsewhere says in which other namespace the pods are.
func elsewhere(c *ask.Cluster, s *policy.Selector) string {
	if s.Namespaces != nil || s.Pods.Empty() {
		return ""
	}
	var names []string
	for _, p := range c.Pods {
		if s.Pods.Matches(labels.Set(p.Labels)) && !p.Host && !slices.Contains(names, p.Namespace) {
			names = append(names, p.Namespace)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "namespace " + strings.Join(names[:min(3, len(names))], " or ")
}

// Namespaces returns what was probably meant by a selector that no namespace matches.
func Namespaces(c *ask.Cluster, s labels.Selector) string {
	var have []map[string]string
	names := c.NamespaceNames()
	for _, name := range names {
		have = append(have, c.Namespace(name).Labels)
	}
	if fixed := Labels(s, have); fixed != "" {
		return fixed
	}
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		for _, value := range r.Values().List() {
			if slices.Contains(names, value) {
				return fmt.Sprintf("%s=%s", corev1.LabelMetadataName, value)
			}
		}
	}
	return ""
}
