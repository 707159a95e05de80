package ruleset

import (
	"fmt"
	"math/bits"
	"slices"
)

// Action is what a rule does with the packets that it matches. A NetworkPolicy makes only rules
// with the zero value.
type Action uint8

// The actions.
const (
	Accept Action = iota // the packet may pass in this direction: nothing else is asked
	Deny                 // the packet is dropped without an answer, whatever the end of its chain is
	Pass                 // this chain decides nothing: it ends here as with EndGoBack
)

// actionWords are the words for the actions.
var actionWords = [...]string{"allow", "deny", "pass"}

// String is a word for the action.
func (a Action) String() string { return actionWords[a] }

// MarshalText returns String.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads String.
func (a *Action) UnmarshalText(text []byte) error { return parseWord(a, actionWords[:], text) }

// parseWord sets a value to the index of a word.
func parseWord[T ~uint8](value *T, words []string, text []byte) error {
	at := slices.Index(words, string(text))
	if at < 0 {
		return fmt.Errorf("%q: expected one of %q", text, words)
	}
	*value = T(at)
	return nil
}

// Actions is a set of actions. The zero value is empty.
type Actions uint8

// ActionsOf returns the set of some actions.
func ActionsOf(list ...Action) (all Actions) {
	for _, a := range list {
		all |= 1 << a
	}
	return all
}

// anyAction is the set of all actions.
const anyAction = Actions(1<<Accept | 1<<Deny | 1<<Pass)

// Has reports whether an action is in the set.
func (a Actions) Has(one Action) bool { return a&(1<<one) != 0 }

// Count returns how many actions are in the set.
func (a Actions) Count() int { return bits.OnesCount8(uint8(a)) }

// Union returns the actions of both sets.
func (a Actions) Union(o Actions) Actions { return a | o }

// open reports whether packets may pass that did not before, once rules with these actions match
// more of them. A rule that passes leaves it to others whether that opens or closes.
func (a Actions) open() bool { return a.Has(Accept) || a.Has(Pass) }

// close reports whether packets may no longer pass that did before, once rules with these actions
// match more of them.
func (a Actions) close() bool { return a.Has(Deny) || a.Has(Pass) }
