package agent

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// PodRules is what the kernel of a pod's node does with the pod's packets.
type PodRules struct {
	Pod        string       `json:"pod"` // namespace/name
	Node       string       `json:"node"`
	Addrs      []netip.Addr `json:"addresses"`
	Directions []Rules      `json:"directions"` // in which it is isolated, or audited
	// Differs lists what the kernel holds otherwise than it should, of this pod.
	Differs []string `json:"differs"`
}

// Rules are those of one direction, in the order in which they are tried.
type Rules struct {
	Direction  ruleset.Direction `json:"direction"`
	IsolatedBy []string          `json:"isolatedBy"` // namespace/name of policies
	AuditedBy  []string          `json:"auditedBy"`  // those that isolate nobody, since they are audited
	Rows       []Row             `json:"rules"`
	End        ruleset.End       `json:"end"` // what happens to what no rule speaks of
	// packets, since the rules were changed last: that were denied, and that were let through and
	// AuditedBy would deny
	Denied  uint64 `json:"denied"`
	Audited uint64 `json:"audited"`
}

// Row is one rule in words.
type Row struct {
	Verdict string `json:"verdict"` // allow, deny, pass
	Peer    string `json:"peer"`
	// Addresses is how many addresses of both families the peer has; 0: it is no list of them.
	Addresses int    `json:"addresses,omitempty"`
	Port      string `json:"port"`
	By        string `json:"by"` // parts of policies: dns egress[0]
}

// PodRules returns the rules of a pod of the node; without any, no policy isolates it.
func (s *State) PodRules(pod string) PodRules {
	found := PodRules{Pod: pod, Node: s.Node, Directions: []Rules{}, Differs: []string{}}
	w := words{program: s.Program, pod: pod}
	for _, c := range s.Program.Chains {
		if c.Subject != pod {
			continue
		}
		rules := Rules{Direction: c.Direction, IsolatedBy: append([]string{}, c.Policies...),
			AuditedBy: []string{}, Rows: append([]Row{}, w.rowsOf(c)...), End: c.End,
			Denied: s.Denied[c.ID], Audited: s.Audited[c.ID]}
		if c.End == ruleset.EndAudit {
			rules.IsolatedBy, rules.AuditedBy = rules.AuditedBy, rules.IsolatedBy
		}
		found.Directions = append(found.Directions, rules)
		found.Differs = append(found.Differs, s.differences(c)...)
	}
	found.Addrs = append([]netip.Addr{}, w.addrs()...)
	return found
}

// differences says what the kernel holds otherwise of one chain, and of who is led to it.
func (s *State) differences(c ruleset.Chain) (lines []string) {
	switch digest, there := s.Observed.Chains[c.ID]; {
	case !there:
		lines = append(lines, fmt.Sprintf("%s: the rules are not there", c.ID))
	case digest != c.Digest():
		lines = append(lines, fmt.Sprintf("%s: the rules are others", c.ID))
	}
	for _, d := range s.Program.Dispatch {
		at := ruleset.Subject{Direction: d.Direction, Addr: d.Addr}
		if d.Chain == c.ID && s.Observed.Dispatch[at] != c.ID {
			lines = append(lines, fmt.Sprintf("%s: packets of %s are not led to the rules", c.ID, d.Addr))
		}
	}
	return lines
}

// words describes the rules of one pod.
type words struct {
	program *ruleset.Program
	pod     string
}

// addrs are the addresses by which packets are led to the pod's rules.
func (w words) addrs() (list []netip.Addr) {
	for _, d := range w.program.Dispatch {
		if c := w.chain(d.Chain); c != nil && c.Subject == w.pod {
			list = append(list, d.Addr)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// chain finds a chain by its name; nil: there is none.
func (w words) chain(id ruleset.ChainID) *ruleset.Chain {
	at := slices.IndexFunc(w.program.Chains, func(c ruleset.Chain) bool { return c.ID == id })
	if at < 0 {
		return nil
	}
	return &w.program.Chains[at]
}

// rowsOf describes the rules of a chain, and of the chains that it looks up or calls: a checked state
// has these end soon.
func (w words) rowsOf(c ruleset.Chain) (rows []Row) {
	for _, step := range c.Steps {
		switch step := step.(type) {
		case ruleset.Rule:
			rows = append(rows, w.row(step, "", ""))
		case ruleset.Lookup:
			rows = append(rows, w.lookup(step.Set)...)
		case ruleset.Call:
			if called := w.chain(step.Chain); called != nil {
				rows = append(rows, w.rowsOf(*called)...)
			}
		}
	}
	return compacted(rows)
}

// lookup describes what each port in a set leads to.
func (w words) lookup(id ruleset.SetID) (rows []Row) {
	for _, m := range w.set(id).Members {
		peers := w.chain(m.Chain)
		if peers == nil {
			continue
		}
		port := fmt.Sprintf("%s/%d", m.Proto, m.Port)
		if m.LastPort > m.Port {
			port += fmt.Sprintf("-%d", m.LastPort)
		}
		for r := range peers.Rules() {
			rows = append(rows, w.row(r, port, string(m.Reason)))
		}
	}
	return rows
}

// set finds a set by its name; one that is not there has no members.
func (w words) set(id ruleset.SetID) ruleset.Set {
	for _, s := range w.program.Sets {
		if s.ID == id {
			return s
		}
	}
	return ruleset.Set{}
}

// row describes a rule. Where a port was looked up before, the rule says neither that nor where it
// comes from.
func (w words) row(r ruleset.Rule, port, by string) Row {
	if port == "" {
		port = portText(r)
	}
	if by == "" {
		by = string(ruleset.ReasonOf(r.Origins))
	}
	namespace, _, _ := strings.Cut(w.pod, "/")
	peer, addresses := w.peer(r.Peer)
	return Row{r.Action.String(), peer, addresses, port, strings.ReplaceAll(by, namespace+"/", "")}
}

// portText is the protocol and the ports of a rule.
func portText(r ruleset.Rule) string {
	if len(r.Ports) == 0 {
		return r.Proto.String()
	}
	var ports []string
	for _, p := range r.Ports {
		ports = append(ports, p.String())
	}
	return r.Proto.String() + "/" + strings.Join(ports, ",")
}

// peer says who the other end is, and how many addresses it has by now.
func (w words) peer(p ruleset.Peer) (text string, addresses int) {
	switch {
	case p.HasSet():
		set := w.set(p.Set)
		return set.Comment, len(set.Members)
	case !p.Prefix.IsValid():
		return "everybody", 0
	case p.Prefix.IsSingleIP() && slices.Contains(w.addrs(), p.Prefix.Addr()):
		return "itself", 0
	default:
		return p.Prefix.String(), 0
	}
}

// compacted joins rows that differ only in the family of their addresses.
func compacted(rows []Row) (kept []Row) {
	places := map[Row]int{}
	for _, r := range rows {
		like := r
		like.Addresses = 0
		if at, there := places[like]; there {
			kept[at].Addresses += r.Addresses
			continue
		}
		places[like] = len(kept)
		kept = append(kept, r)
	}
	return kept
}
