package ruleset

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Step is one entry of a chain: a Rule, a Lookup or a Call. A packet takes the steps of a chain in
// their order until one of them decides about it.
type Step interface{ step() }

// Lookup goes on in the chain that the port of a packet leads to, if the set leads it anywhere.
// Where that chain decides nothing, the next step follows.
type Lookup struct {
	Set SetID // of kind PortMap, the chain's own, or PortRanges
}

// Call goes on in another chain. Where that one decides nothing, the next step follows.
type Call struct{ Chain ChainID }

func (Rule) step()   {}
func (Lookup) step() {}
func (Call) step()   {}

// Steps is the steps of a chain in their order.
type Steps []Step

// RuleSteps returns rules as steps.
func RuleSteps(rules ...Rule) Steps {
	steps := make(Steps, len(rules))
	for i, r := range rules {
		steps[i] = r
	}
	return steps
}

// sameStep reports whether two steps are the same to a backend.
func sameStep(a, b Step) bool {
	x, isRule := a.(Rule)
	y, areRules := b.(Rule)
	if !isRule || !areRules {
		return isRule == areRules && a == b
	}
	return x.Same(y) && slices.Equal(x.Origins, y.Origins)
}

// stepText is the line of a step in the text of a chain of that direction.
func stepText(s Step, d Direction) string {
	switch s := s.(type) {
	case Rule:
		return fmt.Sprintf("%s %s %s", s.Action, d.peerWord(), s)
	case Lookup:
		if s.Set.Kind == PortRanges {
			return fmt.Sprintf("by ports @%s", s.Set)
		}
		return fmt.Sprintf("by port @%s", s.Set)
	case Call:
		return fmt.Sprintf("onward to %s", s.Chain)
	default:
		panic(fmt.Sprintf("no step: %T", s))
	}
}

// text writes a line for each step of a chain of that direction.
func (list Steps) text(b *strings.Builder, d Direction) {
	for _, s := range list {
		fmt.Fprintf(b, "  %s\n", stepText(s, d))
	}
}

// jsonStep is a step as JSON: exactly one of its fields is set.
type jsonStep struct {
	Rule   *Rule   `json:",omitempty"`
	Lookup *SetID  `json:",omitempty"`
	Call   ChainID `json:",omitempty"`
}

// MarshalJSON writes each step as an object whose only key says what it is.
func (list Steps) MarshalJSON() ([]byte, error) {
	tagged := make([]jsonStep, len(list))
	for i, s := range list {
		switch s := s.(type) {
		case Rule:
			tagged[i].Rule = &s
		case Lookup:
			tagged[i].Lookup = &s.Set
		case Call:
			tagged[i].Call = s.Chain
		default:
			return nil, fmt.Errorf("no step: %T", s)
		}
	}
	return json.Marshal(tagged)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (list *Steps) UnmarshalJSON(text []byte) error {
	var tagged []jsonStep
	if err := json.Unmarshal(text, &tagged); err != nil {
		return err
	}
	*list = make(Steps, len(tagged))
	for i, t := range tagged {
		switch {
		case t.Rule != nil && t.Lookup == nil && t.Call == "":
			(*list)[i] = *t.Rule
		case t.Rule == nil && t.Lookup != nil && t.Call == "":
			(*list)[i] = Lookup{*t.Lookup}
		case t.Rule == nil && t.Lookup == nil && t.Call != "":
			(*list)[i] = Call{t.Call}
		default:
			return fmt.Errorf("step %d: expected exactly one of Rule, Lookup and Call", i)
		}
	}
	return nil
}
