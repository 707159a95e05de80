package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Group is two or more pods of a node that the same policies isolate, or audit, in one
// direction, so that their chains can share a part. The zero value is for a pod that shares
// nothing.
type Group struct {
	ID   ruleset.ChainID // of the chain that they share
	Name string          // of its pods, for people
}

// NoGroup returns the zero Group, for a pod that shares nothing.
func NoGroup() Group { return Group{} }

// NewGroup returns the group of these pods. Its ID depends on all of them: a chain that
// other pods share must never become a pod's own while packets still pass through it. It
// also depends on the effect of the policies: what audited policies allow must never get
// into a chain of pods that are still isolated.
func NewGroup(d ruleset.Direction, effect policy.Effect, pods []policy.Key) Group {
	if len(pods) < 2 {
		return Group{}
	}
	names := make([]string, len(pods))
	for i, key := range pods {
		names[i] = key.String()
	}
	slices.Sort(names)
	name := fmt.Sprintf("%s and %d more", names[0], len(names)-1)
	if effect == policy.Audits {
		names = append(names, "audited") // no pod has a name without a namespace
	}
	return Group{ruleset.NewAlikeID(d, names), name}
}

// GroupKey returns a text that is the same for all pods whose chains, made from these
// policies, differ in the pods' own addresses only. Of several versions of one policy
// only one may be in use at a time.
func GroupKey(p policy.Pod, d ruleset.Direction, by policy.Deciders) string {
	var text strings.Builder
	fmt.Fprint(&text, d, p.Families())
	if by.Effect == policy.Audits {
		text.WriteString(" audited:")
	}
	for _, one := range by.Policies {
		text.WriteString(" " + one.String())
	}
	if d == ruleset.Ingress && slices.ContainsFunc(by.Policies, (*policy.Policy).NamesPorts) {
		text.WriteString(" of " + p.String()) // a port name means the pod's own port
	}
	return text.String()
}
