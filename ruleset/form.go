package ruleset

// Form is what a backend can hold. Programs are compiled so that they need no more. The zero value
// is the least.
type Form struct {
	// The port of a packet can be looked up in a set that leads it to a chain: PortMap, PortRanges.
	PortMaps bool
	// RulePorts is how many ports one rule can compare, of which a range is two; what has more becomes
	// several rules. 0: any number.
	RulePorts int
	// Copies: a chain that several pods lead to is written once for each of them.
	Copies bool
	// MostRules is how many rules the backend can load as often as policies change. 0: any number.
	MostRules int
}

// RulesFor returns how many rules of a backend a rule with these ports becomes.
func (f Form) RulesFor(ports []PortRange) int {
	if f.RulePorts == 0 || len(ports) == 0 {
		return 1
	}
	sum := 0
	for _, p := range ports {
		if sum++; p.First < p.Last {
			sum++
		}
	}
	return (sum + f.RulePorts - 1) / f.RulePorts
}

// FullForm returns the form of a backend that can hold every program.
func FullForm() Form { return Form{PortMaps: true} }
