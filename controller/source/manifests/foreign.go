package manifests

import (
	"encoding/json"
	"errors"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// foreignGroups are the API groups in which other engines have their policies.
var foreignGroups = []string{
	"cilium.io", "projectcalico.org", "antrea.io", "k8s.ovn.org", "policy.networking.k8s.io",
	"k8s.cni.cncf.io", "networking.k8s.aws", "security.istio.io", "policy.linkerd.io",
}

// noteForeign keeps the name of an object that is a policy of another engine.
func (d *document) noteForeign(raw []byte, meta metav1.TypeMeta) {
	group, _, _ := strings.Cut(meta.APIVersion, "/")
	if !strings.HasSuffix(meta.Kind, "Policy") || !isForeignGroup(group) {
		return
	}
	var named struct {
		Metadata struct{ Namespace, Name string }
	}
	// What has no readable name is told with an empty one.
	_ = json.Unmarshal(raw, &named)
	name := strings.TrimPrefix(named.Metadata.Namespace+"/"+named.Metadata.Name, "/")
	d.foreign = append(d.foreign, Problem{
		Object: strings.TrimSpace(meta.Kind + " " + name), Err: errors.New(meta.APIVersion),
	})
}

// isForeignGroup reports whether a group is one of another engine, or below one.
func isForeignGroup(group string) bool {
	for _, g := range foreignGroups {
		if group == g || strings.HasSuffix(group, "."+g) {
			return true
		}
	}
	return false
}

// foreign returns the policies of other engines in all files, sorted.
func (s *state) foreign() []Problem {
	var all []Problem
	for _, f := range s.files {
		all = append(all, f.foreign...)
	}
	sortProblems(all)
	return all
}
