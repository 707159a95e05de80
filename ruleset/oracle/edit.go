package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Edit returns the world after one random change to one object, which may have
// bad input as in Random. It shares the other objects with w and changes none
// of them. Now and then the new object says the same as the old. Nodes keep
// their pod ranges; new pods are put on nodes by the names that Random gives to
// nodes.
func Edit(r *rand.Rand, w *World) *World {
	return Size{}.Edit(r, w)
}

// Edit is the function Edit for worlds that keep to a Size: it never adds to
// what is full, nor bad input where there should be none.
func (s Size) Edit(r *rand.Rand, w *World) *World {
	d := &draw{r: r, size: s.withDefaults(), w: w.clone()}
	d.names = w.namespaceNames()
	if len(d.names) == 0 {
		d.names = d.namespaceNames()
	}
	changes := []func() bool{
		d.relabelPod, d.relabelPod, d.agePod, d.agePod, d.movePod, d.movePod, d.addPod, d.deletePod,
		d.relabelNamespace, d.editNode, d.editPolicy, d.editPolicy, d.addPolicy, d.deletePolicy,
		d.auditPolicy, d.auditPolicy, d.auditNamespace,
	}
	for !pick(r, changes...)() { // relabelNamespace always can
	}
	return d.w
}

// clone copies the lists, not the objects.
func (w *World) clone() *World {
	return &World{
		Namespaces: slices.Clone(w.Namespaces),
		Pods:       slices.Clone(w.Pods),
		Nodes:      slices.Clone(w.Nodes),
		Policies:   slices.Clone(w.Policies),
	}
}

// namespaceNames returns the sorted names of all namespaces that an object is
// or mentions.
func (w *World) namespaceNames() []string {
	var names []string
	for _, ns := range w.Namespaces {
		names = append(names, ns.Name)
	}
	for _, p := range w.Pods {
		names = append(names, p.Namespace)
	}
	for _, p := range w.Policies {
		names = append(names, p.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Each change reports false where the world has no room for it.

// relabelPod draws a pod's labels anew, so that other selectors match it.
func (d *draw) relabelPod() bool {
	return d.changePod(func(p *corev1.Pod) { p.Labels = d.labels() })
}

// agePod changes phase, start and deletion.
func (d *draw) agePod() bool { return d.changePod(d.fate) }

// movePod gives a pod other addresses: new ones, those of another pod, or none.
func (d *draw) movePod() bool {
	return d.changePod(func(p *corev1.Pod) {
		n := 1 + max(0, slices.IndexFunc(d.w.Nodes, func(n *corev1.Node) bool {
			return n.Name == p.Spec.NodeName
		}))
		if p.Spec.NodeName == "" {
			p.Spec.NodeName = nodeName(n) // it has been scheduled
		}
		p.Status.PodIP, p.Status.PodIPs = "", nil
		switch {
		case p.Spec.HostNetwork:
			d.setAddresses(p, nodeIPs(n))
		case d.half():
			d.setAddresses(p, d.freeIPs(n))
		case d.half():
			d.share(p, n)
		case d.half():
			d.claim(p, n)
		}
	})
}

// editNode draws the addresses of a node anew.
func (d *draw) editNode() bool {
	if len(d.w.Nodes) == 0 || d.size.Valid {
		return false
	}
	i := d.r.IntN(len(d.w.Nodes))
	n := d.w.Nodes[i].DeepCopy()
	var number int
	if _, err := fmt.Sscanf(n.Name, "n%d", &number); err != nil {
		return false
	}
	n.Status = d.node(number).Status
	d.w.Nodes[i] = n
	return true
}

// changePod replaces one pod by a changed copy.
func (d *draw) changePod(change func(*corev1.Pod)) bool {
	if len(d.w.Pods) == 0 {
		return false
	}
	i := d.r.IntN(len(d.w.Pods))
	p := d.w.Pods[i].DeepCopy()
	change(p)
	d.w.Pods[i] = p
	return true
}

// addPod adds a pod, up to the number of pods that the size allows.
func (d *draw) addPod() bool {
	if len(d.w.Pods) >= d.size.Pods {
		return false
	}
	d.w.Pods = append(d.w.Pods, d.pod())
	return true
}

// deletePod takes a pod out of the world, at once and whatever its phase.
func (d *draw) deletePod() bool {
	if len(d.w.Pods) == 0 {
		return false
	}
	i := d.r.IntN(len(d.w.Pods))
	d.w.Pods = slices.Delete(d.w.Pods, i, i+1)
	return true
}

// relabelNamespace changes a namespace, or adds the object of one that so far
// was only mentioned.
func (d *draw) relabelNamespace() bool {
	name := pick(d.r, d.names...)
	i := slices.IndexFunc(d.w.Namespaces, func(ns *corev1.Namespace) bool {
		return ns.Name == name
	})
	if i < 0 {
		d.w.Namespaces = append(d.w.Namespaces, d.namespace(name))
		return true
	}
	ns := d.w.Namespaces[i].DeepCopy()
	ns.Labels = d.namespaceLabels(name)
	d.w.Namespaces[i] = ns
	return true
}

// editPolicy draws one field of a policy's spec anew.
func (d *draw) editPolicy() bool {
	if len(d.w.Policies) == 0 {
		return false
	}
	i := d.r.IntN(len(d.w.Policies))
	p := d.w.Policies[i].DeepCopy()
	d.redraw(&p.Spec)
	d.w.Policies[i] = p
	return true
}

// auditPolicy draws the annotations of a policy anew.
func (d *draw) auditPolicy() bool {
	if len(d.w.Policies) == 0 {
		return false
	}
	i := d.r.IntN(len(d.w.Policies))
	p := d.w.Policies[i].DeepCopy()
	p.Annotations = d.audit()
	d.w.Policies[i] = p
	return true
}

// auditNamespace draws the annotations of a namespace anew.
func (d *draw) auditNamespace() bool {
	if len(d.w.Namespaces) == 0 {
		return false
	}
	i := d.r.IntN(len(d.w.Namespaces))
	ns := d.w.Namespaces[i].DeepCopy()
	ns.Annotations = d.namespaceAudit()
	d.w.Namespaces[i] = ns
	return true
}

// redraw draws podSelector, policyTypes, ingress or egress anew.
func (d *draw) redraw(spec *networkingv1.NetworkPolicySpec) {
	switch d.r.IntN(4) {
	case 0:
		spec.PodSelector = d.selector()
	case 1:
		spec.PolicyTypes = d.policyTypes()
	case 2:
		spec.Ingress = d.ingress()
	case 3:
		spec.Egress = d.egress()
	}
}

// addPolicy adds a policy, up to the number that the size allows.
func (d *draw) addPolicy() bool {
	if len(d.w.Policies) >= d.size.Policies {
		return false
	}
	d.w.Policies = append(d.w.Policies, d.policy())
	return true
}

// deletePolicy takes a policy out of the world.
func (d *draw) deletePolicy() bool {
	if len(d.w.Policies) == 0 {
		return false
	}
	i := d.r.IntN(len(d.w.Policies))
	d.w.Policies = slices.Delete(d.w.Policies, i, i+1)
	return true
}
