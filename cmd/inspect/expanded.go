package inspect

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// addressExpanded gives nodes and addresses to the pods that stand for workloads, beside pods that
// state theirs. What nodes and other pods state stays as it is.
func (in *Input) addressExpanded() error {
	if len(in.expanded) == 0 {
		return nil
	}
	c := newCompletion(in.Objects, ruleset.Families[:])
	if err := c.readStated(); err != nil {
		return err
	}
	// newCompletion has copied the pods that run; the others are of no use to an answer.
	expanded := map[[2]string]bool{}
	for _, p := range in.expanded {
		expanded[[2]string{p.Namespace, p.Name}] = true
	}
	placed, families := 0, familiesOf(c.pods)
	for _, p := range c.pods {
		if !expanded[[2]string{p.Namespace, p.Name}] {
			continue
		}
		if p.Spec.NodeName == "" {
			c.place(p, &placed)
		}
		if err := c.addressPod(p, c.node(p.Spec.NodeName)); err != nil {
			return fmt.Errorf("pod %s/%s: %w", p.Namespace, p.Name, err)
		}
		// Nodes can have no ranges, or of one family only, and a pod on its node's network has no
		// others than the node's.
		for _, f := range families {
			has := len(InFamilies(policy.PodAddrs(p), []ruleset.Family{f})) > 0
			if !has && (!p.Spec.HostNetwork || len(p.Status.PodIPs) == 0) {
				c.addressAnywhere(p, f)
			}
		}
	}
	in.Objects.Pods, in.Objects.Nodes, in.MadeUpNodes = c.pods, c.nodes, c.hosts
	return nil
}

// familiesOf returns the families of the addresses that pods have.
func familiesOf(pods []*corev1.Pod) (families []ruleset.Family) {
	for _, f := range ruleset.Families {
		if slices.ContainsFunc(pods, func(p *corev1.Pod) bool {
			return len(InFamilies(policy.PodAddrs(p), []ruleset.Family{f})) > 0
		}) {
			families = append(families, f)
		}
	}
	return families
}

// addressAnywhere gives a pod an address of a family that is in nobody's range.
func (c *completion) addressAnywhere(p *corev1.Pod, family ruleset.Family) {
	for _, format := range podPools {
		for number := 1; number <= lastPool; number++ {
			pool := netip.MustParsePrefix(fmt.Sprintf(format, number))
			if ruleset.FamilyOf(pool.Addr()) != family {
				break
			}
			a := firstFree(pool, pool.Addr().Next(), func(a netip.Addr) bool {
				return c.inUse(a) || inAny(c.ranges, a)
			})
			if a.IsValid() {
				c.owners[a] = p.Spec.NodeName
				if p.Spec.HostNetwork {
					c.hosts[a] = p.Spec.NodeName
				}
				p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: a.String()})
				p.Status.PodIP = p.Status.PodIPs[0].IP
				return
			}
		}
	}
}
