package ask

import (
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Cluster is what the objects of a cluster say, ready to be asked. New makes it.
type Cluster struct {
	Objects  policy.Objects
	Services []*corev1.Service // sorted by namespace and name
	Pods     []Pod             // sorted by namespace and name
	Policies []*policy.Policy  // sorted; an ipBlock with a node contains its other address, too

	snapshot   compile.Snapshot
	namespaces map[string]policy.Namespace
	names      []string // of namespaces, sorted
	specs      map[policy.Key]*networkingv1.NetworkPolicy
	programs   map[string]*ruleset.Program
	claims     map[netip.Addr][]string // the nodes of the pods that state an address
	pods       map[policy.Key]int      // where in Pods
	statements map[netip.Addr]int      // how many pods and nodes state an address
	disputed   map[policy.Key]bool     // pods with an address that may not be theirs alone
	plain      map[netip.Addr]bool     // addresses of all other pods that are not on a node's network
	claimed    map[string]bool         // nodes with an address that one of these pods states
	lookedAt   map[string]bool         // keys of labels of pods that a selector asks for
	ranges     *policy.PodRanges
	blocks     []ruleset.Range // of all ipBlocks, sorted
	outside    []netip.Addr    // that internet stands for
}

// New makes a cluster of objects. Every pod in an answer has an address: see inspect.Complete.
func New(o policy.Objects, services []*corev1.Service) *Cluster {
	c := &Cluster{
		Objects: o, Services: services, snapshot: compile.SnapshotOf(o, ""),
		namespaces: map[string]policy.Namespace{},
		specs:      map[policy.Key]*networkingv1.NetworkPolicy{},
		programs:   map[string]*ruleset.Program{}, claims: map[netip.Addr][]string{},
		pods: map[policy.Key]int{}, statements: map[netip.Addr]int{},
		disputed: map[policy.Key]bool{}, plain: map[netip.Addr]bool{},
		claimed: map[string]bool{}, lookedAt: map[string]bool{},
	}
	for _, ns := range c.snapshot.Namespaces {
		c.namespaces[ns.Name] = ns
	}
	for _, np := range o.Policies {
		c.specs[policy.Key{Namespace: np.Namespace, Name: np.Name}] = np
	}
	c.addPods()
	// The order matters: each step uses what the one before has found.
	c.names = c.findNamespaces()
	c.addPolicies()
	c.findLookedAt()
	c.findDisputes()
	c.blocks = c.allBlocks()
	c.outside = c.pickOutside()
	return c
}

// addPods converts the pods, and notes which nodes' pods state each address.
func (c *Cluster) addPods() {
	for _, p := range c.Objects.Pods {
		if pod, ok := newPod(p); ok {
			c.Pods = append(c.Pods, pod)
		}
	}
	slices.SortFunc(c.Pods, func(a, b Pod) int { return a.Key.Compare(b.Key) })
	for i, p := range c.Pods {
		c.pods[p.Key] = i
		for _, a := range p.Addrs {
			if !p.Host && !slices.Contains(c.claims[a], p.Node) {
				c.claims[a] = append(c.claims[a], p.Node)
			}
		}
	}
}

// addPolicies sorts the policies, which mean by a node's address its tunnel's address, too.
func (c *Cluster) addPolicies() {
	c.ranges = policy.NewPodRanges(c.snapshot.Nodes)
	// The first address of a range can be a pod's instead of the tunnel's.
	aliases := policy.NodeAliases(c.snapshot.Nodes, c.ranges, c.HasPodAt)
	for _, p := range c.snapshot.Policies {
		c.Policies = append(c.Policies, p.WithAliases(aliases))
	}
	slices.SortFunc(c.Policies, func(a, b *policy.Policy) int { return a.Key.Compare(b.Key) })
}

// findDisputes finds the pods with an address that another pod or a node states, too, or that is in
// the range of another node's pods.
func (c *Cluster) findDisputes() {
	// Nodes state addresses, too: one that is also a pod's is no pod's alone.
	for _, n := range c.snapshot.Nodes {
		for _, a := range n.Addrs {
			c.statements[a]++
			c.claimed[n.Name] = c.claimed[n.Name] || len(c.claims[a]) > 0
		}
	}
	for _, p := range c.Pods {
		for _, a := range p.Addrs {
			c.statements[a]++
		}
	}
	for _, p := range c.Pods {
		for _, a := range p.Addrs {
			if c.statements[a] > 1 || !c.ranges.CanBeOf(p.Node, a, false) {
				c.disputed[p.Key] = true
			}
		}
	}
	for _, p := range c.Pods {
		for _, a := range p.Addrs {
			c.plain[a] = !p.Host && !c.disputed[p.Key]
		}
	}
}

// Pod returns a pod by its name.
func (c *Cluster) Pod(k policy.Key) (Pod, bool) {
	i, found := c.pods[k]
	if !found {
		return Pod{}, false
	}
	return c.Pods[i], true
}

// HasPodAt reports whether a pod that is not on its node's network states an address.
func (c *Cluster) HasPodAt(a netip.Addr) bool { return len(c.claims[a]) > 0 }

// IsStated reports whether any pod or node states an address.
func (c *Cluster) IsStated(a netip.Addr) bool { return c.statements[a] > 0 }

// Spec returns a policy as it is written.
func (c *Cluster) Spec(k policy.Key) *networkingv1.NetworkPolicy { return c.specs[k] }

// Namespace returns a namespace by its name; one that is no object has no labels but its name.
func (c *Cluster) Namespace(name string) policy.Namespace {
	if ns, known := c.namespaces[name]; known {
		return ns
	}
	return policy.ImpliedNamespace(name)
}

// NamespaceNames returns the namespaces that objects are, or that pods are in, sorted. The caller
// must not change the list.
func (c *Cluster) NamespaceNames() []string { return c.names }

// findNamespaces lists the namespaces.
func (c *Cluster) findNamespaces() []string {
	names := map[string]bool{}
	for name := range c.namespaces {
		names[name] = true
	}
	for _, p := range c.Pods {
		names[p.Namespace] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Isolating returns the policies that isolate a pod in a direction, sorted. Those that are audited
// do not.
func (c *Cluster) Isolating(p Pod, d ruleset.Direction) []*policy.Policy {
	return c.selecting(p, d, (*policy.Policy).Enforces)
}

// Auditing returns the audited policies that select a pod in a direction, sorted.
func (c *Cluster) Auditing(p Pod, d ruleset.Direction) []*policy.Policy {
	return c.selecting(p, d, (*policy.Policy).Audits)
}

// Audited reports whether a policy is audited, by itself or by its namespace.
func (c *Cluster) Audited(p *policy.Policy) bool { return p.Audited(c.Namespace(p.Namespace)) }

// selecting returns the policies that select a pod in some way.
func (c *Cluster) selecting(
	p Pod, d ruleset.Direction,
	way func(*policy.Policy, policy.Pod, policy.Namespace, ruleset.Direction) bool,
) (by []*policy.Policy) {
	if !p.counts {
		return nil
	}
	ns := c.Namespace(p.Namespace)
	for _, one := range c.Policies {
		if way(one, p.policy, ns, d) {
			by = append(by, one)
		}
	}
	return by
}

// Selects reports whether a selector selects a pod.
func (c *Cluster) Selects(s *policy.Selector, p Pod) bool {
	return p.counts && s.Matches(p.policy, c.Namespace(p.Namespace))
}

// NodeAddrs returns the addresses of a node by its name, sorted.
func (c *Cluster) NodeAddrs(name string) ([]netip.Addr, bool) {
	for _, n := range c.snapshot.Nodes {
		if n.Name == name {
			return n.Addrs, true
		}
	}
	return nil, false
}

// NodeNames returns the nodes that are objects, sorted.
func (c *Cluster) NodeNames() []string {
	var names []string
	for _, n := range c.snapshot.Nodes {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

// PodRanges returns the ranges that nodes have for their pods.
func (c *Cluster) PodRanges() []netip.Prefix {
	var all []netip.Prefix
	for _, n := range c.snapshot.Nodes {
		all = append(all, n.CIDRs...)
	}
	return all
}

// Disputed reports whether a pod has an address that may not be its own alone.
func (c *Cluster) Disputed(p Pod) bool { return c.disputed[p.Key] }

// SelectedBy returns the pods that a policy isolates in some direction, or would if it were not
// audited.
func (c *Cluster) SelectedBy(one *policy.Policy) (pods []Pod) {
	for _, p := range c.Pods {
		ns := c.Namespace(p.Namespace)
		selects := func(d ruleset.Direction) bool {
			return one.Selects(p.policy, ns, d)
		}
		if p.counts && slices.ContainsFunc(ruleset.Directions[:], selects) {
			pods = append(pods, p)
		}
	}
	return pods
}
