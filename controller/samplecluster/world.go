package samplecluster

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Size is how much there is in a cluster.
type Size struct {
	Pods     int // 200 at least
	Policies int
	Local    int // of the pods, on the node that is looked at; 250 at most
}

// Sized is the usual cluster with that many pods: a tenth as many policies, and 250 pods on the node.
func Sized(pods int) Size { return Size{Pods: pods, Policies: pods / 10, Local: min(250, pods/4)} }

func (s Size) String() string {
	return fmt.Sprintf("%d pods, %d policies, %d local pods", s.Pods, s.Policies, s.Local)
}

// World is the API objects of a cluster. Node is the one to look at.
type World struct {
	Node string
	policy.Objects
}

// New makes a cluster.
func New(size Size, seed uint64) World {
	d := &draft{size: size, rand: rand.New(rand.NewPCG(seed, 0))}
	d.applications()
	d.place()
	return World{Node: Looked, Objects: policy.Objects{
		Nodes: d.nodes(), Namespaces: d.namespaces(), Pods: d.pods(), Policies: d.policies(),
	}}
}

// Events says all that there is, in the order of a source that starts.
func (w World) Events() []graph.Event {
	var events []graph.Event
	s := compile.SnapshotOf(w.Objects, w.Node)
	for _, n := range s.Nodes {
		events = append(events, graph.NodeSet{Node: n})
	}
	for _, n := range s.Namespaces {
		events = append(events, graph.NamespaceSet{Namespace: n})
	}
	for _, p := range s.Pods {
		events = append(events, graph.PodSet{Pod: p})
	}
	for _, p := range s.Policies {
		events = append(events, graph.PolicySet{Policy: p})
	}
	return events
}

// draft is a World in the making.
type draft struct {
	size   Size
	rand   *rand.Rand
	spaces []space
	apps   []application // the first ones are the system's
	nodeOf []int         // by pod, in the order of the applications
	slotOf []int         // which of its node's pods it is
}

// space is a namespace with its applications, by their places in draft.apps.
type space struct {
	name string
	pods int
	apps []int
}

// application is pods with the same labels.
type application struct {
	space, pods     int
	name, component string
}

const podsPerNode = 30

// Looked is the node that is looked at.
const Looked = "node-0"

func nodeName(i int) string { return fmt.Sprintf("node-%d", i) }

// nodeCount is that of all nodes; the first one is looked at.
func (d *draft) nodeCount() int { return 1 + (d.size.Pods-d.size.Local+podsPerNode-1)/podsPerNode }

// place gives each pod a node, at random.
func (d *draft) place() {
	d.nodeOf, d.slotOf = make([]int, d.size.Pods), make([]int, d.size.Pods)
	for at, pod := range d.rand.Perm(d.size.Pods) {
		if at < d.size.Local {
			d.slotOf[pod] = at
			continue
		}
		d.nodeOf[pod], d.slotOf[pod] = 1+(at-d.size.Local)/podsPerNode, (at-d.size.Local)%podsPerNode
	}
}

// prefix is the start of the addresses of a node's pods, a /24.
func prefix(node int) string { return fmt.Sprintf("10.%d.%d.", node>>8, node&255) }

func (d *draft) nodes() []*corev1.Node {
	var nodes []*corev1.Node
	for i := range d.nodeCount() {
		nodes = append(nodes, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: nodeName(i)},
			Spec:       corev1.NodeSpec{PodCIDR: prefix(i) + "0/24", PodCIDRs: []string{prefix(i) + "0/24"}},
			Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("172.20.%d.%d", i>>8, i&255)},
			}},
		})
	}
	return nodes
}
