package drops

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// Drop is packets that were denied within a second, with the same ends, direction and port; or that
// were let through, since the policies that would deny them are audited.
type Drop struct {
	Time      time.Time         `json:"time"`
	Node      string            `json:"node"` // whose kernel denied them
	Direction ruleset.Direction `json:"direction"`
	From      End               `json:"from"`
	To        End               `json:"to"`
	Port      string            `json:"port"`    // tcp/8080, icmp/8
	Packets   int               `json:"packets"` // of the sample
	// More is how many other packets of this pod and direction were denied, and are in no line.
	More       uint64   `json:"more,omitempty"`
	IsolatedBy []string `json:"isolatedBy"` // namespace/name of policies; see FirstPolicies
	// MorePolicies is how many policies isolate the pod that IsolatedBy does not name.
	MorePolicies int  `json:"morePolicies,omitempty"`
	Audited      bool `json:"audited,omitempty"` // let through; IsolatedBy are the audited ones
	// Nearest is rules that have the port, so that only the other end is not theirs.
	Nearest string `json:"nearest,omitempty"`
}

// Subject is the pod whose rules denied the packets: the kernel knows it by the chain, whatever the
// packets say.
func (d Drop) Subject() End {
	if d.Direction == ruleset.Egress {
		return d.From
	}
	return d.To
}

// End is who a packet comes from or goes to, as it was when the packet was denied. The zero value
// stands for several, or for none that is known.
type End struct {
	Pod     string     `json:"pod,omitempty"`  // namespace/name
	Node    string     `json:"node,omitempty"` // whose own address it is
	Address netip.Addr `json:"address,omitzero"`
	Gone    bool       `json:"gone,omitempty"`  // the pod had been deleted by then
	NoPod   bool       `json:"noPod,omitempty"` // a pod could have the address, and none has
}

// String is the name, else the address.
func (e End) String() string {
	switch {
	case e.Pod != "" && e.Gone:
		return e.Pod + " (gone)"
	case e.Pod != "":
		return e.Pod
	case e.Node != "":
		return "node/" + e.Node
	case e.NoPod:
		return e.Address.String() + " (no pod)"
	case e.Address.IsValid():
		return e.Address.String()
	default:
		return "several"
	}
}

// Namespace is that of a pod; empty for others.
func (e End) Namespace() string {
	// Kubernetes allows no slash in either name.
	namespace, _, is := strings.Cut(e.Pod, "/")
	if !is {
		return ""
	}
	return namespace
}

// String is one line for a log or an Event.
func (d Drop) String() string {
	text := fmt.Sprintf("%s -> %s %s", d.From, d.To, d.Port)
	// Without a packet there is no port: it says only how many more there were.
	if d.Packets == 0 {
		text = fmt.Sprintf("%s -> %s", d.From, d.To)
	}
	switch {
	case d.Audited:
		text += fmt.Sprintf(": let through; %s would be denied by %s, audited", d.Direction,
			d.policyList())
	case len(d.IsolatedBy) > 0:
		text += fmt.Sprintf(": %s is isolated by %s", d.Direction, d.policyList())
	}
	return text
}

// Notice is String for who may read what is in the subject's namespace, and need not know what pods
// and policies other namespaces have: of such a pod it has the address.
func (d Drop) Notice() string {
	own := d.Subject().Namespace() + "/"
	// Where pods of several namespaces claim one address, the policies of all of them isolate it.
	named := slices.DeleteFunc(slices.Clone(d.IsolatedBy), func(name string) bool {
		return !strings.HasPrefix(name, own)
	})
	// Those that are not named can be of the other namespaces, too, so they are not counted then.
	if len(named) < len(d.IsolatedBy) {
		d.MorePolicies = 0
	}
	d.IsolatedBy = named
	for _, end := range []*End{&d.From, &d.To} {
		if end.Pod != "" && end.Namespace() != d.Subject().Namespace() {
			*end = End{Address: end.Address}
		}
	}
	return d.String()
}

const (
	// mostPolicies is how many policies a text names.
	mostPolicies = 5
	// mostNamed is how many are kept by name, of a line or of a pod that is gone: about 6 KB.
	mostNamed = 20
)

// FirstPolicies copies the first names of policies, and counts the others. Whoever keeps names for a
// while keeps these: a tenant can have any number of policies for one pod.
func FirstPolicies(names []string) (first []string, more int) {
	n := min(len(names), mostNamed)
	return append(make([]string, 0, n), names[:n]...), len(names) - n
}

// policyList names the first policies, and counts the others.
func (d Drop) policyList() string {
	n := min(len(d.IsolatedBy), mostPolicies)
	list := strings.Join(d.IsolatedBy[:n], ", ")
	if more := len(d.IsolatedBy) - n + d.MorePolicies; more > 0 {
		return fmt.Sprintf("%s and %d more", list, more)
	}
	return list
}
