package ruleset

// Form is what a backend can hold. Programs are compiled so that they need no more. The zero value
// is the least.
type Form struct {
	// The port of a packet can be looked up in a set that leads it to a chain: PortMap, PortRanges.
	PortMaps bool
}

// FullForm returns the form of a backend that can hold every program.
func FullForm() Form { return Form{PortMaps: true} }
