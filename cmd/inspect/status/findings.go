package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/cmd/inspect/agent"
)

// Findings are what people have to see to on a node, by what its agent says: reasons first, then what
// is wrong besides. Without any all is well there.
func Findings(a *agent.Status) (list []string) {
	// Reasons keep the node from being ready, so they come first.
	for _, kind := range []map[string]string{a.Readiness.Reasons, a.Readiness.Warnings} {
		for _, part := range slices.Sorted(maps.Keys(kind)) {
			list = append(list, part+": "+kind[part])
		}
	}
	// An agent that has just started can have nothing but what it waits for.
	if !a.Readiness.Ready && len(a.Readiness.Reasons) == 0 {
		list = append(list, "not ready: "+first(a.Readiness.Pending))
	}
	for _, other := range a.Others {
		list = append(list, "another program enforces policies here, too: "+other)
	}
	if silent := Silent(a.Silence); silent != "" {
		list = append(list, "API: "+silent)
	}
	return list
}

// longSilence is three times as long as an API server needs to say of a watch that nothing changed.
const longSilence = 3 * time.Minute

// Longest is the kind of object of which the API server has said nothing for longest; empty: the
// agent watches none. A watch can fall silent while the others go on.
func Longest(silence map[string]time.Duration) string {
	kinds := slices.Sorted(maps.Keys(silence))
	if len(kinds) == 0 {
		return ""
	}
	return slices.MaxFunc(kinds, func(a, b string) int {
		return cmp.Or(cmp.Compare(silence[a], silence[b]), strings.Compare(a, b))
	})
}

// Silent says that the API server has said nothing for too long; empty: it has not.
func Silent(silence map[string]time.Duration) string {
	kind := Longest(silence)
	if silence[kind] < longSilence {
		return ""
	}
	return fmt.Sprintf("nothing was heard of %s for %s; expected a word about every minute: changes may "+
		"be missing", kind, Span(silence[kind]))
}

// Span is a duration in seconds, or as short as people say it.
func Span(d time.Duration) string {
	if d < time.Second {
		return d.Round(100 * time.Microsecond).String()
	}
	text := d.Round(time.Second).String()
	// 1h30m0s is 1h30m, and 1h0m is 1h.
	for _, zero := range []string{"m0s", "h0m"} {
		if short, ends := strings.CutSuffix(text, zero); ends {
			text = short + zero[:1]
		}
	}
	return text
}
