package samplecluster

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Size says how many pods and policies a cluster has.
type Size struct {
	Pods     int // 200 at least
	Policies int
	Local    int // pods on LocalNode; 250 at most
}

// Sized is the usual cluster with that many pods: a tenth as many policies, and 250 of the pods on
// LocalNode.
func Sized(pods int) Size { return Size{Pods: pods, Policies: pods / 10, Local: min(250, pods/4)} }

func (s Size) String() string {
	return fmt.Sprintf("%d pods, %d policies, %d local pods", s.Pods, s.Policies, s.Local)
}

// Cluster is the API objects of a cluster.
type Cluster struct {
	Nodes      []*corev1.Node
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Policies   []*networkingv1.NetworkPolicy
}

// New makes a cluster of a size; the same seed makes the same cluster.
func New(size Size, seed uint64) Cluster {
	d := &draft{size: size, rand: rand.New(rand.NewPCG(seed, 0))}
	d.applications()
	d.place()
	return Cluster{
		Nodes:      d.nodes(),
		Namespaces: d.namespaces(),
		Pods:       d.pods(),
		Policies:   d.policies(),
	}
}

// draft is a Cluster that is being made.
type draft struct {
	size   Size
	rand   *rand.Rand
	spaces []namespace
	apps   []application // the first ones are the system's
	nodeOf []int         // by pod, in the order of the applications
	slotOf []int         // by pod: its number among the pods of its node
}

// namespace is a namespace with its applications, by their indices in draft.apps.
type namespace struct {
	name string
	pods int
	apps []int
}

// application is a group of pods with the same labels.
type application struct {
	space, pods     int
	name, component string
}

const podsPerNode = 30

// LocalNode is the node whose rules, agent and kernel are measured.
const LocalNode = "node-0"

// nodeName is the name of a node by its number; 0 is LocalNode.
func nodeName(i int) string { return fmt.Sprintf("node-%d", i) }

// nodeCount is the number of nodes; the first one is LocalNode.
func (d *draft) nodeCount() int { return 1 + (d.size.Pods-d.size.Local+podsPerNode-1)/podsPerNode }

// place gives each pod a random node, and LocalNode as many as were asked for.
func (d *draft) place() {
	d.nodeOf, d.slotOf = make([]int, d.size.Pods), make([]int, d.size.Pods)
	for at, pod := range d.rand.Perm(d.size.Pods) {
		if at < d.size.Local {
			d.slotOf[pod] = at
			continue
		}
		d.nodeOf[pod], d.slotOf[pod] = 1+(at-d.size.Local)/podsPerNode,
			(at-d.size.Local)%podsPerNode
	}
}

// prefix is the first three bytes of the addresses of a node's pods, which are a /24.
func prefix(node int) string { return fmt.Sprintf("10.%d.%d.", node>>8, node&255) }

// nodes returns the Node objects, each with a /24 for its pods.
func (d *draft) nodes() []*corev1.Node {
	var nodes []*corev1.Node
	for i := range d.nodeCount() {
		nodes = append(nodes, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: nodeName(i)},
			Spec: corev1.NodeSpec{
				PodCIDR:  prefix(i) + "0/24",
				PodCIDRs: []string{prefix(i) + "0/24"},
			},
			Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("172.20.%d.%d", i>>8, i&255)},
			}},
		})
	}
	return nodes
}
