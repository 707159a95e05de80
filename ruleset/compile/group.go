package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Crew is pods of a node that are judged alike in one direction, where there are several; the zero value is a pod that
// is judged alone.
type Crew struct {
	ID   ruleset.ChainID // of what they share
	Name string          // for people
}

// Alone is the crew of a pod without others.
func Alone() Crew { return Crew{} }

// NewCrew returns the crew of these pods. Its ID changes with them: what is shared by others must never become a pod's
// while packets are judged that came before.
func NewCrew(d ruleset.Direction, pods []policy.Key) Crew {
	if len(pods) < 2 {
		return Crew{}
	}
	names := make([]string, len(pods))
	for i, key := range pods {
		names[i] = key.String()
	}
	slices.Sort(names)
	return Crew{ruleset.NewAlikeID(d, names), fmt.Sprintf("%s and %d more", names[0], len(names)-1)}
}

// Alike is a text that is the same for pods that these policies judge alike in a direction, but for their own addresses.
// Of several policies with one name only one may be in it at a time.
func Alike(p policy.Pod, d ruleset.Direction, policies []*policy.Policy) string {
	var text strings.Builder
	fmt.Fprint(&text, d, p.Families())
	for _, one := range policies {
		text.WriteString(" " + one.String())
	}
	if d == ruleset.Ingress && slices.ContainsFunc(policies, (*policy.Policy).NamesPorts) {
		text.WriteString(" of " + p.String()) // the pod says what a name means
	}
	return text.String()
}
