package sandbox

// Document is the form of run -o json.
type Document struct {
	Nodes       []string `json:"nodes"`
	Pods        []string `json:"pods"` // namespace/name, sorted
	Policies    int      `json:"policies"`
	Problems    []string `json:"problems"`           // parts of policies that match nothing
	Warnings    []string `json:"warnings,omitempty"` // of the agents, about anything else
	Probes      []Probe  `json:"probes"`
	Before      int      `json:"before"`      // probes that arrived without policies
	After       int      `json:"after"`       // probes that arrived with them
	Differences int      `json:"differences"` // probes where packets and rules disagree
}

// Probe is one probe of a Document. Before and After are open, silent, refused or stranger (an
// answer by somebody else).
type Probe struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Family   uint8  `json:"family"` // 4 or 6
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
	Before   string `json:"before"`
	After    string `json:"after"`
	Allowed  bool   `json:"allowed"` // what the rules say
	Differs  bool   `json:"differs"` // After is not what the rules say
}

// document is the report for programs.
func (r *report) document() Document {
	// An empty list is [] in JSON; a nil one would be null.
	doc := Document{
		Nodes: []string{}, Pods: []string{}, Probes: []Probe{},
		Policies: len(r.objects.Policies),
		Problems: append([]string{}, r.unclear...), Warnings: r.warnings,
		Before: r.arrivedBefore(), After: r.arrivedAfter(), Differences: len(r.differences()),
	}
	for _, n := range r.nodes {
		doc.Nodes = append(doc.Nodes, n.Name)
	}
	for _, p := range r.pods {
		doc.Pods = append(doc.Pods, p.Name)
	}
	// The order is the same in each run, so that two documents can be compared.
	for _, t := range r.trials {
		doc.Probes = append(doc.Probes, Probe{
			From: t.probe.From, To: t.probe.To, Family: uint8(t.family()),
			Protocol: t.port.Protocol.String(), Port: t.port.Number,
			Before: t.before.String(), After: t.after.String(),
			Allowed: t.allowed, Differs: t.differs(),
		})
	}
	return doc
}
