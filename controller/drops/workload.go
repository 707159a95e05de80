package drops

import (
	"strings"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Subject is the pod of a chain as metrics name it.
type Subject struct {
	Direction ruleset.Direction
	Namespace string
	Workload  string
}

// Workload returns the name of what made a pod, from the labels that the controllers of Kubernetes
// give their pods; a pod of its own is its own workload.
func Workload(pod string, labels map[string]string) string {
	if job := labels["batch.kubernetes.io/job-name"]; job != "" {
		if name, is := policy.CronJobOf(job); is {
			return name
		}
		return job
	}
	// The labels are the tenant's own, and can lie about the tenant's own pods only.
	name := pod
	switch hash := labels["pod-template-hash"]; {
	case hash != "": // of a Deployment: name-HASH-abcde
		if before, _, is := strings.Cut(pod, "-"+hash+"-"); is {
			return before
		}
		return pod
	case labels["controller-revision-hash"] == "":
		return pod
	}
	// Of a StatefulSet: name-0; of a DaemonSet: name-abcde.
	if at := strings.LastIndexByte(pod, '-'); at > 0 {
		name = pod[:at]
	}
	return name
}

// How many subjects metrics tell apart: of the node, and of one namespace.
const (
	maxSubjects   = 1000
	maxOfOneSpace = 100
)

// Other is the namespace and workload of all that there is no room for; no object has such a name.
const Other = "_other"

// subjects bounds the label values of metrics, which stay for as long as the agent runs.
type subjects struct {
	known map[Subject]bool
	of    map[string]int // how many are of a namespace
}

// newSubjects returns none.
func newSubjects() subjects { return subjects{map[Subject]bool{}, map[string]int{}} }

// bounded returns a subject, or the other one of its namespace or of the node where there is no room.
func (x *subjects) bounded(s Subject) Subject {
	if x.known[s] {
		return s
	}
	// A tenant with many workloads takes no room from the others.
	if s.Workload != Other && x.of[s.Namespace] >= maxOfOneSpace {
		return x.bounded(Subject{s.Direction, s.Namespace, Other})
	}
	// The first ones stay: a series that went and came back would look like a restart.
	if len(x.known) >= maxSubjects {
		return Subject{s.Direction, Other, Other}
	}
	x.known[s] = true
	x.of[s.Namespace]++
	return s
}
