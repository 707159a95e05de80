package ask

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Internet is the word for an address outside that no policy names by itself.
const Internet = "internet"

// End is one end of a question: pods, or addresses that are no pod's.
type End struct {
	Name    string // as an answer shows it
	Pods    []Pod
	Addrs   []netip.Addr    // where Pods is empty
	Service *corev1.Service // whose pods they are; nil: none
	Outside bool            // the internet
	Node    string          // whose addresses they are; empty: nobody's
}

// ErrUnknown says that nothing has the name that was asked about.
var ErrUnknown = errors.New("not found")

// End finds what a name means: a pod (shop/web-1), a workload (shop/deploy/web), a Service
// (shop/svc/web), a node (node/node-1), an address, or internet. namespace is that of a name
// without one.
func (c *Cluster) End(name, namespace string) (End, error) {
	if name == Internet {
		return End{Name: Internet, Outside: true, Addrs: c.outside}, nil
	}
	if a, is := parseAddr(name); is {
		return c.endAt(a), nil
	}
	parts := strings.Split(name, "/")
	switch {
	case len(parts) == 2 && (parts[0] == "node" || parts[0] == "no" || parts[0] == "nodes"):
		return c.nodeEnd(parts[1])
	case len(parts) == 1:
		return c.without("", policy.Key{Namespace: namespace, Name: parts[0]})
	case len(parts) == 2 && kinds[parts[0]] != "" && !c.hasNamespace(parts[0]):
		return c.without(parts[0], policy.Key{Namespace: namespace, Name: parts[1]})
	case len(parts) == 2:
		return c.named("", policy.Key{Namespace: parts[0], Name: parts[1]})
	case len(parts) == 3:
		return c.named(parts[1], policy.Key{Namespace: parts[0], Name: parts[2]})
	}
	return End{}, fmt.Errorf("%q: expected NAMESPACE/POD, NAMESPACE/KIND/NAME, node/NAME, "+
		"an address or internet", name)
}

// parseAddr reads an address, which can be in brackets.
func parseAddr(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return a.WithZone(""), err == nil
}

// without finds what a name that was given without a namespace means in this one. Where the
// namespace was hardly meant, the error says how to give another.
func (c *Cluster) without(word string, k policy.Key) (End, error) {
	e, err := c.named(word, k)
	if errors.Is(err, ErrUnknown) && (c.CheckNamespace(k.Namespace) != nil || c.isElsewhere(k)) {
		err = fmt.Errorf("%w; expected NAMESPACE/NAME, or -n", err)
	}
	return e, err
}

// isElsewhere reports whether another namespace has a pod, workload or Service of a name.
func (c *Cluster) isElsewhere(k policy.Key) bool {
	return slices.ContainsFunc(c.Pods, func(p Pod) bool {
		return p.Namespace != k.Namespace && (p.Name == k.Name || p.Workload.Name == k.Name)
	}) || slices.ContainsFunc(c.Services, func(s *corev1.Service) bool {
		return s.Namespace != k.Namespace && s.Name == k.Name
	})
}

// hasNamespace reports whether a namespace is known.
func (c *Cluster) hasNamespace(name string) bool {
	return slices.Contains(c.NamespaceNames(), name)
}

// named finds what a name of a namespace means. Without a kind it is a pod, or else the workload
// of that name, or else the Service.
func (c *Cluster) named(word string, k policy.Key) (End, error) {
	kind := c.kindNamed(word, k)
	if word != "" && kind == "" {
		return End{}, fmt.Errorf(
			"%q is no kind of workload; expected deploy, sts, ds, rs, job, cronjob, pod or svc", word)
	}
	// A pod comes first, since its name is its own.
	if pod, found := c.Pod(k); found && (kind == "" || kind == "Pod") {
		return End{Name: k.String(), Pods: []Pod{pod}}, nil
	}
	if kind != "Service" {
		if e, found, err := c.workloadEnd(kind, k); found || err != nil {
			return e, err
		}
	}
	if kind == "" || kind == "Service" {
		return c.serviceEnd(k, kind)
	}
	return End{}, c.unknown(word, k)
}

// kindNamed returns the kind that a word means, which can be that of a workload of the name alone,
// such as Rollout; empty: none.
func (c *Cluster) kindNamed(word string, k policy.Key) string {
	if kind, known := kinds[strings.ToLower(word)]; known {
		return kind
	}
	for _, w := range c.WorkloadsNamed(k) {
		if strings.EqualFold(w.Kind, word) {
			return w.Kind
		}
	}
	return ""
}

// WorkloadsNamed returns the workloads of a name, which can be of several kinds, sorted.
func (c *Cluster) WorkloadsNamed(k policy.Key) []Workload {
	var all []Workload
	for _, p := range c.Pods {
		if w := p.Workload; w.Namespace == k.Namespace && w.Name == k.Name {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, Workload.Compare)
	return slices.Compact(all)
}

// workloadEnd returns the pods of a workload; kind "" is any, but there must not be several.
func (c *Cluster) workloadEnd(kind string, k policy.Key) (e End, found bool, err error) {
	all := c.WorkloadsNamed(k)
	if kind == "" && len(all) > 1 {
		var names, words []string
		for _, w := range all {
			names, words = append(names, w.String()), append(words, w.WithKind())
		}
		return e, false, fmt.Errorf("%q is %s; expected one of them: %s", k,
			strings.Join(names, " and "), strings.Join(words, ", "))
	}
	for _, p := range c.Pods {
		if slices.Contains(all, p.Workload) && (kind == "" || p.Workload.Kind == kind) {
			e.Name, e.Pods = p.Workload.String(), append(e.Pods, p)
		}
	}
	return e, len(e.Pods) > 0, nil
}

// serviceEnd returns the pods that a Service leads to.
func (c *Cluster) serviceEnd(k policy.Key, kind string) (End, error) {
	for _, s := range c.Services {
		if s.Namespace == k.Namespace && s.Name == k.Name {
			return c.behind(s, c.PodsOf(s))
		}
	}
	return End{}, c.unknown(kind, k)
}

// behind returns the end that some pods of a Service are, or says why there are none.
func (c *Cluster) behind(s *corev1.Service, pods []Pod) (End, error) {
	k := policy.Key{Namespace: s.Namespace, Name: s.Name}
	e := End{Name: k.String() + " (Service)", Service: s, Pods: pods}
	switch {
	case len(pods) > 0:
		return e, nil
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		return e, fmt.Errorf(
			"service %s is of type ExternalName: it is another name, and leads to no pod", k)
	case len(s.Spec.Selector) == 0:
		return e, fmt.Errorf("service %s has no selector, so nothing here says where it leads; "+
			"expected a pod or an address behind it", k)
	}
	return e, fmt.Errorf("service %s leads to no pod here", k)
}

// receiver is End for who is sent to. Packets to the address of a Service are translated before a
// policy sees them, so it means the Service's pods, at their addresses of the same family.
func (c *Cluster) receiver(name, namespace string) (End, error) {
	a, is := parseAddr(name)
	if !is {
		return c.End(name, namespace)
	}
	for _, s := range c.Services {
		if !slices.Contains(ClusterAddrs(s), a) {
			continue
		}
		var pods []Pod
		for _, p := range c.PodsOf(s) {
			p.Addrs = slices.DeleteFunc(slices.Clone(p.Addrs), func(own netip.Addr) bool {
				return ruleset.FamilyOf(own) != ruleset.FamilyOf(a)
			})
			if len(p.Addrs) > 0 {
				pods = append(pods, p)
			}
		}
		e, err := c.behind(s, pods)
		if err != nil {
			return e, fmt.Errorf("%s: %w", a, err)
		}
		return e, nil
	}
	return c.endAt(a), nil
}

// ClusterAddrs returns the addresses that a Service has inside of the cluster (spec.clusterIPs),
// sorted. Those of load balancers and its externalIPs are not among them: whether they are
// translated before a policy sees them depends on the way that packets take.
func ClusterAddrs(s *corev1.Service) []netip.Addr {
	return policy.ParseAddrs(append([]string{s.Spec.ClusterIP}, s.Spec.ClusterIPs...))
}

// PodsOf returns the pods that a Service leads to. One without a selector, or that is another name
// only, leads to none.
func (c *Cluster) PodsOf(s *corev1.Service) []Pod {
	if len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	var pods []Pod
	want := labels.SelectorFromSet(s.Spec.Selector)
	for _, p := range c.Pods {
		if p.Namespace == s.Namespace && want.Matches(labels.Set(p.Labels)) {
			pods = append(pods, p)
		}
	}
	return pods
}

// unknown says that nothing has a name, and which names are like it, or why nothing can be asked of
// what has it.
func (c *Cluster) unknown(kind string, k policy.Key) error {
	if err := c.unaddressed(kinds[strings.ToLower(kind)], k); err != nil {
		return err
	}
	if err := c.CheckNamespace(k.Namespace); err != nil {
		return err
	}
	var names []string
	for _, p := range c.Pods {
		if p.Namespace == k.Namespace {
			names = append(names, p.Name, p.Workload.Name)
		}
	}
	what := "pod, workload or Service"
	if kind != "" {
		what = kinds[strings.ToLower(kind)]
	}
	return fmt.Errorf("%s %s: %w%s", what, k, ErrUnknown, meant(k.Name, names))
}

// unaddressed says of a pod, or of a workload, that it has no address, or ended; nil: it is not
// there. An empty kind is any.
func (c *Cluster) unaddressed(kind string, k policy.Key) error {
	for _, p := range c.Objects.Pods {
		w, own := WorkloadOf(p), policy.Key{Namespace: p.Namespace, Name: p.Name} == k
		isIt := own && (kind == "" || kind == "Pod") ||
			w.Key() == k.String() && (kind == "" || kind == w.Kind)
		switch state := cmp.Or(string(p.Status.Phase), "no phase"); {
		case !isIt:
		case policy.Finished(p):
			return fmt.Errorf("pod %s/%s has ended (%s); expected one that runs", p.Namespace, p.Name, state)
		default:
			return fmt.Errorf("pod %s/%s has no address yet (%s); expected one that has", p.Namespace, p.Name,
				state)
		}
	}
	return nil
}

// CheckNamespace returns ErrUnknown, with the name that was probably meant, unless something is in
// the namespace, or it is an object.
func (c *Cluster) CheckNamespace(name string) error {
	known := slices.Clone(c.NamespaceNames())
	for _, p := range c.Policies {
		known = append(known, p.Namespace)
	}
	for _, s := range c.Services {
		known = append(known, s.Namespace)
	}
	if slices.Contains(known, name) {
		return nil
	}
	return fmt.Errorf("namespace %s: %w%s", name, ErrUnknown, meant(name, known))
}

// meant suggests the name that was probably meant, if one is like it.
func meant(name string, known []string) string {
	if best := Nearest(name, known); best != "" {
		return fmt.Sprintf("; meant %s?", best)
	}
	return ""
}

// nodeEnd returns the addresses of a node.
func (c *Cluster) nodeEnd(name string) (End, error) {
	addrs, found := c.NodeAddrs(name)
	if !found {
		return End{}, fmt.Errorf("node %s: %w%s", name, ErrUnknown, meant(name, c.NodeNames()))
	}
	return End{Name: "node/" + name, Addrs: addrs, Node: name}, nil
}

// endAt returns the pod that has an address, or the node, or else the address itself.
func (c *Cluster) endAt(a netip.Addr) End {
	for _, p := range c.Pods {
		if c.plain[a] && slices.Contains(p.Addrs, a) {
			p.Addrs = []netip.Addr{a}
			return End{Name: p.Key.String(), Pods: []Pod{p}}
		}
	}
	for _, n := range c.snapshot.Nodes {
		if slices.Contains(n.Addrs, a) {
			return End{Name: "node/" + n.Name, Addrs: []netip.Addr{a}, Node: n.Name}
		}
	}
	return End{Name: a.String(), Addrs: []netip.Addr{a}}
}

// outsideAddrs are public addresses, spread over the address space, of which internet takes one of
// each family.
var outsideAddrs = []string{
	"93.184.215.14", "151.101.1.69", "11.22.33.44", "185.199.108.153", "203.104.209.7",
	"41.60.1.2", "2600:1406:3a00::b81e", "2a04:4e42::485", "2001:67c:4e8::1", "2c0f:fb50::1",
}

// pickOutside returns an address of each family that is in as few ipBlocks as possible, so that it
// stands for those that no policy speaks of.
func (c *Cluster) pickOutside() []netip.Addr {
	best := map[ruleset.Family]netip.Addr{}
	fewest := map[ruleset.Family]int{}
	for _, text := range outsideAddrs {
		a := netip.MustParseAddr(text)
		count, family := 0, ruleset.FamilyOf(a)
		for _, b := range c.blocks {
			if b.Contains(a) {
				count++
			}
		}
		// An address that a pod or node states is not outside.
		if _, has := best[family]; (!has || count < fewest[family]) && c.statements[a] == 0 {
			best[family], fewest[family] = a, count
		}
	}
	var addrs []netip.Addr
	for _, f := range ruleset.Families {
		addrs = append(addrs, best[f])
	}
	return addrs
}

// Outside returns the addresses that internet stands for.
func (c *Cluster) Outside() []netip.Addr { return c.outside }

// Point is one address of an end, with the pod that it is one of.
type Point struct {
	Pod   *Pod // nil: no pod
	Addrs []netip.Addr
}

// Points returns the pods of an end, or its addresses.
func (e End) Points() []Point {
	if len(e.Pods) == 0 {
		return []Point{{Addrs: e.Addrs}}
	}
	var points []Point
	for i := range e.Pods {
		points = append(points, Point{&e.Pods[i], e.Pods[i].Addrs})
	}
	return points
}
