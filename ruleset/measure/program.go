// Package measure makes programs and changes that both backends are measured with. Only tests use it.
package measure

import (
	"fmt"
	"net/netip"

	"github.com/picket-project/picket/ruleset"
)

// Program has so many isolated pods of one node, at most 250, among which the rules of so many
// policies are divided. Each rule has a set of peers of its own.
func Program(pods, policies int) *ruleset.Program {
	p := &ruleset.Program{Links: []string{"cni0"}}
	for i := range policies {
		p.Sets = append(p.Sets, peers(i))
	}
	perPod := (policies + pods - 1) / pods
	for i := range pods {
		id := ruleset.NewChainID(ruleset.Ingress, "default", fmt.Sprintf("web-%d", i))
		c := ruleset.Chain{ID: id, Direction: ruleset.Ingress,
			Subject: fmt.Sprintf("default/web-%d", i)}
		for at := range perPod {
			set := p.Sets[(i*policies/pods+at)%policies].ID
			c.Steps = append(c.Steps, ruleset.Rule{Peer: ruleset.InSet(set), Proto: ruleset.TCP,
				Ports: []ruleset.PortRange{{First: 80, Last: 80}}})
		}
		p.Chains = append(p.Chains, c)
		p.Dispatch = append(p.Dispatch, subject(i, id))
	}
	p.Sort()
	return p
}

// peers is the set of the peers of a policy.
func peers(i int) ruleset.Set {
	id := ruleset.SetID{Kind: ruleset.Addresses, Family: ruleset.IPv4,
		Key: ruleset.Digest(fmt.Sprint(i))}
	return ruleset.Set{ID: id, Comment: fmt.Sprintf("pods app=%d", i),
		Members: []ruleset.Member{{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}}}
}

// subject leads the packets of a pod to a chain.
func subject(i int, chain ruleset.ChainID) ruleset.Dispatch {
	return ruleset.Dispatch{Direction: ruleset.Ingress,
		Addr: netip.AddrFrom4([4]byte{10, 244, 1, byte(i + 2)}), Chain: chain}
}

// Change is a change of one thing in a program, and what takes it back.
type Change struct {
	Name     string
	Do, Undo ruleset.Delta
}

// Changes are those of one address in a set, and of one pod that becomes isolated.
func Changes(p *ruleset.Program) []Change {
	address := []ruleset.Members{ruleset.Added(p.Sets[0].ID,
		[]ruleset.Member{{Addr: netip.AddrFrom4([4]byte{10, 1, 2, 3})}},
		ruleset.ActionsOf(ruleset.Accept))}
	pod := []ruleset.Dispatch{subject(251, p.Chains[0].ID)}
	return []Change{
		{"one-address", ruleset.Delta{AddMembers: address}, ruleset.Delta{DelMembers: address}},
		{"one-pod", ruleset.Delta{AddDispatch: pod}, ruleset.Delta{DelDispatch: pod}},
	}
}
