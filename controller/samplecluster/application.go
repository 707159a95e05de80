package samplecluster

import (
	"fmt"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Namespaces of the system, and their applications by their indices in draft.apps.
const (
	kubeSystem = "kube-system"
	monitoring = "monitoring"
	ingress    = "ingress-nginx"

	dns        = 0
	prometheus = 1
	controller = 2
)

// Limits of a namespace.
const (
	podsPerNamespace = 100  // on average
	mostPods         = 3000 // thresholds.md
)

// groups says which share of the pods belongs to applications of about which size.
var groups = []struct{ parts, size int }{{2, 5}, {1, 30}, {1, 250}}

// components are what an application may be (app.kubernetes.io/component).
var components = []string{"frontend", "api", "worker", "cache", "database"}

// applications draws applications until they have all the pods that were asked for.
func (d *draft) applications() {
	for _, name := range []string{kubeSystem, monitoring, ingress} {
		d.spaces = append(d.spaces, namespace{name: name})
	}
	d.add(application{space: 0, name: "kube-dns", component: "dns", pods: max(2, d.nodeCount()/16)})
	d.add(application{space: 1, name: "prometheus", component: "server", pods: 2})
	d.add(application{space: 2, name: "ingress-nginx", component: "controller", pods: 3})
	for i := range max(1, d.size.Pods/podsPerNamespace) {
		d.spaces = append(d.spaces, namespace{name: fmt.Sprintf("team-%d", i)})
	}
	for _, size := range d.sizes() {
		d.add(application{
			space: d.spaceFor(size), pods: size,
			component: components[d.rand.IntN(len(components))],
			name:      fmt.Sprintf("app-%d", len(d.apps)),
		})
	}
}

// add adds an application to the draft and to its namespace.
func (d *draft) add(a application) {
	s := &d.spaces[a.space]
	s.apps, s.pods = append(s.apps, len(d.apps)), s.pods+a.pods
	d.apps = append(d.apps, a)
}

// sizes draws the sizes of the applications that share the pods which the system does not have.
func (d *draft) sizes() []int {
	var sizes []int
	left := d.size.Pods
	for _, a := range d.apps {
		left -= a.pods
	}
	parts := 0
	for _, g := range groups {
		parts += g.parts
	}
	for _, g := range groups {
		for share := left * g.parts / parts; share > 0; {
			size := min(share, g.size/2+d.rand.IntN(g.size+1))
			sizes, share = append(sizes, size), share-size
		}
	}
	for _, size := range sizes {
		left -= size
	}
	sizes = append(sizes, slices.Repeat([]int{1}, left)...)
	d.rand.Shuffle(len(sizes), func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	return sizes
}

// spaceFor draws a namespace that has room for more pods, never one of the system.
func (d *draft) spaceFor(pods int) int {
	const system = 3
	teams := len(d.spaces) - system
	first := int(rand.NewZipf(d.rand, 1.1, 10, uint64(teams-1)).Uint64())
	for i := range teams {
		if at := system + (first+i)%teams; d.spaces[at].pods+pods <= mostPods {
			return at
		}
	}
	return system + first
}

// namespaces returns the Namespace objects. Three of them share a team, and each of the three has
// another environment.
func (d *draft) namespaces() []*corev1.Namespace {
	var list []*corev1.Namespace
	for i, s := range d.spaces {
		list = append(list,
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.name, Labels: map[string]string{
				corev1.LabelMetadataName: s.name,
				"environment":            []string{"production", "staging", "development"}[i%3],
				"team":                   fmt.Sprintf("team-%d", i/3),
			}}})
	}
	return list
}

// pods returns the Pod objects in the order of their applications. The pods of one application
// share a hash, as those of a ReplicaSet do.
func (d *draft) pods() []*corev1.Pod {
	var pods []*corev1.Pod
	for _, a := range d.apps {
		hash := fmt.Sprintf("%08x", d.rand.Uint32())
		for range a.pods {
			pods = append(pods, d.pod(a, hash, len(pods)))
		}
	}
	return pods
}

// pod returns the Pod object of a number, on the node and with the address that place has drawn.
func (d *draft) pod(a application, hash string, at int) *corev1.Pod {
	addr := fmt.Sprintf("%s%d", prefix(d.nodeOf[at]), 2+d.slotOf[at])
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.spaces[a.space].name, Name: fmt.Sprintf("%s-%s-%05x", a.name, hash, at),
			Labels: a.labels(hash),
		},
		Spec: corev1.PodSpec{
			NodeName: nodeName(d.nodeOf[at]),
			Containers: []corev1.Container{{Name: a.component, Ports: []corev1.ContainerPort{
				{Name: "http", Protocol: corev1.ProtocolTCP, ContainerPort: 8080},
				{Name: "metrics", Protocol: corev1.ProtocolTCP, ContainerPort: 9090},
			}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: addr,
			PodIPs: []corev1.PodIP{{IP: addr}}},
	}
}

// labels returns the labels that every pod of an application has.
func (a application) labels(hash string) map[string]string {
	return map[string]string{
		"app":                         a.name,
		"app.kubernetes.io/name":      a.name,
		"app.kubernetes.io/component": a.component,
		"app.kubernetes.io/part-of":   fmt.Sprintf("product-%d", a.space),
		"app.kubernetes.io/version":   "v1." + hash[:1],
		"pod-template-hash":           hash,
	}
}
