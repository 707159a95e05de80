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

// Split returns the ports of each rule that a rule with these ports becomes: at least one.
func (f Form) Split(ports []PortRange) (rules [][]PortRange) {
	room, rest := f.RulePorts, 0 // of the rule in the making, and where its ports begin
	for i, p := range ports {
		need := 1
		if p.First < p.Last {
			need = 2
		}
		if f.RulePorts > 0 && room < need && rest < i {
			rules, rest, room = append(rules, ports[rest:i]), i, f.RulePorts
		}
		room -= need
	}
	return append(rules, ports[rest:])
}

// FullForm returns the form of a backend that can hold every program.
func FullForm() Form { return Form{PortMaps: true} }
