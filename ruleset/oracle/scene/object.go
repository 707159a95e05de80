package scene

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/oracle"
)

// named gives an object its name, or "namespace/name".
func named(o metav1.Object, id string) error {
	if id == "" {
		return errors.New("expected a name")
	}
	if namespace, name, has := strings.Cut(id, "/"); has {
		o.SetNamespace(namespace)
		id = name
	} else if _, is := o.(*corev1.Node); !is {
		if _, is := o.(*corev1.Namespace); !is {
			return fmt.Errorf("%q: expected namespace/name", id)
		}
	}
	o.SetName(id)
	return nil
}

// nameOf is the name by which statements know an object.
func nameOf(o metav1.Object) string {
	if o.GetNamespace() == "" {
		return o.GetName()
	}
	return o.GetNamespace() + "/" + o.GetName()
}

// put replaces the object of that name in the list, or adds it.
func put[T metav1.Object](list *[]T, o T, err error) error {
	if err != nil {
		return err
	}
	i := slices.IndexFunc(*list, func(other T) bool { return nameOf(other) == nameOf(o) })
	if i < 0 {
		*list = append(*list, o)
		return nil
	}
	(*list)[i] = o
	return nil
}

// newNode reads "name", addresses and ranges of pods.
func newNode(words []string) (*corev1.Node, error) {
	n := &corev1.Node{}
	if err := named(n, strings.Join(words[:min(1, len(words))], "")); err != nil {
		return nil, err
	}
	for _, word := range words[1:] {
		if _, err := netip.ParsePrefix(word); err == nil {
			n.Spec.PodCIDRs = append(n.Spec.PodCIDRs, word)
			continue
		}
		if _, err := netip.ParseAddr(word); err != nil {
			return nil, fmt.Errorf("node: %q is neither an address nor a range", word)
		}
		n.Status.Addresses = append(n.Status.Addresses,
			corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: word})
	}
	return n, nil
}

// newNamespace reads "name" and labels.
func newNamespace(words []string) (*corev1.Namespace, error) {
	ns := &corev1.Namespace{}
	if err := named(ns, strings.Join(words[:min(1, len(words))], "")); err != nil {
		return nil, err
	}
	ns.Labels = map[string]string{}
	for _, word := range words[1:] {
		key, value, isLabel := strings.Cut(word, "=")
		if !isLabel {
			return nil, fmt.Errorf("namespace: %q is no label", word)
		}
		ns.Labels[key] = value
	}
	return ns, nil
}

// newPod reads "namespace/name node" and then labels, ports, addresses and host.
func newPod(w *oracle.World, words []string) (*corev1.Pod, error) {
	if len(words) < 2 {
		return nil, errors.New("pod: expected namespace/name and a node, which may be -")
	}
	p := &corev1.Pod{}
	if err := named(p, words[0]); err != nil {
		return nil, err
	}
	p.Labels = map[string]string{}
	p.Status.Phase = corev1.PodRunning
	if words[1] != "-" {
		p.Spec.NodeName = words[1]
	}
	p.Spec.Containers = make([]corev1.Container, 1)
	for _, word := range words[2:] {
		if err := readPodWord(p, word); err != nil {
			return nil, err
		}
	}
	if len(p.Status.PodIPs) == 0 {
		return p, giveAddresses(w, p)
	}
	return p, nil
}

// readPodWord reads a label, a port, an address or host.
func readPodWord(p *corev1.Pod, word string) error {
	key, value, isLabel := strings.Cut(word, "=")
	_, err := netip.ParseAddr(word)
	switch {
	case word == "host":
		p.Spec.HostNetwork = true
	case isLabel:
		p.Labels[key] = value
	case err == nil:
		addAddress(p, word)
	default:
		return readPort(&p.Spec.Containers[0], word)
	}
	return nil
}

// addAddress adds one to the status; the first is podIP too.
func addAddress(p *corev1.Pod, text string) {
	p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: text})
	p.Status.PodIP = p.Status.PodIPs[0].IP
}

// readPort reads name:number/protocol; without protocol nothing is said of it.
func readPort(c *corev1.Container, word string) error {
	name, rest, isPort := strings.Cut(word, ":")
	number, protocol, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	if !isPort || err != nil {
		return fmt.Errorf("pod: %q is no label, port, address or host", word)
	}
	c.Ports = append(c.Ports, corev1.ContainerPort{Name: name, ContainerPort: int32(n),
		Protocol: corev1.Protocol(protocol)})
	return nil
}

// giveAddresses gives the pod those of its node, or free ones from the ranges of the node: the
// third pod of the world gets the fourth address.
func giveAddresses(w *oracle.World, p *corev1.Pod) error {
	i := slices.IndexFunc(w.Nodes, func(n *corev1.Node) bool { return n.Name == p.Spec.NodeName })
	if i < 0 {
		return fmt.Errorf("pod: there is no node %q to give it addresses", p.Spec.NodeName)
	}
	if p.Spec.HostNetwork {
		for _, a := range w.Nodes[i].Status.Addresses {
			addAddress(p, a.Address)
		}
		return nil
	}
	for _, text := range w.Nodes[i].Spec.PodCIDRs {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		a := prefix.Addr()
		for range 2 + len(w.Pods) {
			a = a.Next()
		}
		for isTaken(w, a) {
			a = a.Next()
		}
		addAddress(p, a.String())
	}
	return nil
}

// isTaken tells if a pod of the world states the address.
func isTaken(w *oracle.World, a netip.Addr) bool {
	return slices.ContainsFunc(w.Pods, func(p *corev1.Pod) bool {
		return slices.Contains(p.Status.PodIPs, corev1.PodIP{IP: a.String()})
	})
}
