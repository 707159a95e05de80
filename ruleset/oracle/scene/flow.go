package scene

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset/oracle"
)

// Verdict is what must become of a flow.
type Verdict string

// The verdicts. Deny says nothing of the halves: at least one of them denies.
const (
	Allow       Verdict = "allow"
	Deny        Verdict = "deny"
	DenyEgress  Verdict = "deny-egress"
	DenyIngress Verdict = "deny-ingress"
	DenyBoth    Verdict = "deny-both"
)

// Audited stands in Flow.By for a half that is allowed and would be denied if the policies that are
// audited were enforced.
const Audited = "audited"

// Of is the verdict on a flow that may leave, or not, and may enter, or not.
func Of(egress, ingress bool) Verdict {
	switch {
	case egress && ingress:
		return Allow
	case egress:
		return DenyIngress
	case ingress:
		return DenyEgress
	}
	return DenyBoth
}

// Is tells if what was found is what must be.
func (v Verdict) Is(found Verdict) bool { return v == found || v == Deny && found != Allow }

// Opposite is a verdict that is wrong where this one is right, for tests of tests.
func (v Verdict) Opposite() Verdict {
	if v == Allow {
		return Deny
	}
	return Allow
}

// Flow is one line of a scene, or one of its families.
type Flow struct {
	oracle.Flow
	Verdict Verdict
	By      string // the parts of policies that allow it, and Audited; empty: not said
	At      string // file:line
	Text    string // the line
}

// String is the line, where it stands, and the addresses.
func (f Flow) String() string { return fmt.Sprintf("%s: %s (%v)", f.At, f.Text, f.Flow) }

// parseFlows reads a line, for each family of addresses that is meant.
func parseFlows(w *oracle.World, s statement) ([]Flow, error) {
	text, by, _ := strings.Cut(s.word+" "+s.text(), " by ")
	words := strings.Fields(text)
	f := Flow{Verdict: Verdict(words[0]), By: by, At: s.at, Text: text}
	if !slices.Contains([]Verdict{Allow, Deny, DenyEgress, DenyIngress, DenyBoth}, f.Verdict) {
		return nil, fmt.Errorf("%q is no verdict; expected allow, deny-egress, deny-ingress or "+
			"deny-both", words[0])
	}
	if len(words) < 5 || words[2] != ">" {
		return nil, errors.New("expected VERDICT FROM > TO PROTOCOL PORT")
	}
	if err := readProtocol(&f, words[4:]); err != nil {
		return nil, err
	}
	return betweenEnds(w, f, words[1], words[3])
}

// readProtocol reads "PING", or a protocol and a port.
func readProtocol(f *Flow, words []string) error {
	switch {
	case len(words) == 1 && words[0] == "PING":
		return nil
	case len(words) != 2 || !slices.Contains([]string{"TCP", "UDP", "SCTP"}, words[0]):
		return errors.New("expected PING, or TCP, UDP or SCTP and a port, and nothing else")
	}
	port, err := strconv.ParseUint(words[1], 10, 16)
	f.Protocol, f.Port = corev1.Protocol(words[0]), int32(port)
	return err
}

// betweenEnds returns the flow once for each address of the target to which the other end has one
// of the same family.
func betweenEnds(w *oracle.World, f Flow, from, to string) ([]Flow, error) {
	to, family, _ := strings.Cut(to, "@")
	if family != "" && family != "4" && family != "6" {
		return nil, fmt.Errorf("@%s is no family; expected @4 or @6", family)
	}
	sources, err := addressesOf(w, from)
	if err != nil {
		return nil, err
	}
	targets, err := addressesOf(w, to)
	if err != nil {
		return nil, err
	}
	var flows []Flow
	for _, target := range targets {
		i := slices.IndexFunc(sources, func(a netip.Addr) bool { return a.Is4() == target.Is4() })
		if i >= 0 && (family == "" || (family == "4") == target.Is4()) {
			f.From, f.To = sources[i], target
			flows = append(flows, f)
		}
	}
	if len(flows) == 0 {
		return nil, fmt.Errorf("%s and %s have no addresses of one family", from, to)
	}
	return flows, nil
}

// addressesOf returns the first address of each family that an end has.
func addressesOf(w *oracle.World, end string) ([]netip.Addr, error) {
	var texts []string
	for _, p := range w.Pods {
		if nameOf(p) == end {
			for _, ip := range append(p.Status.PodIPs, corev1.PodIP{IP: p.Status.PodIP}) {
				texts = append(texts, ip.IP)
			}
		}
	}
	for _, n := range w.Nodes {
		for _, a := range n.Status.Addresses {
			if n.Name == end {
				texts = append(texts, a.Address)
			}
		}
	}
	switch {
	case end == "out":
		texts = []string{"8.8.8.8", "2001:db8::1"}
	case texts == nil:
		texts = []string{end}
	}
	return firstOfEach(texts, end)
}

// firstOfEach returns the first address of each family among the texts.
func firstOfEach(texts []string, end string) ([]netip.Addr, error) {
	var first []netip.Addr
	for _, text := range texts {
		a, err := netip.ParseAddr(text)
		taken := slices.ContainsFunc(first, func(b netip.Addr) bool { return b.Is4() == a.Is4() })
		if err == nil && !taken {
			first = append(first, a)
		}
	}
	if len(first) == 0 {
		return nil, fmt.Errorf("%q is neither a pod or node with an address, nor one", end)
	}
	return first, nil
}
