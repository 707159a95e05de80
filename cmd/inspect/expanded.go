package inspect

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset"
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
	placed := 0
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
		if len(p.Status.PodIPs) == 0 {
			c.addressAnywhere(p)
		}
	}
	in.Objects.Pods, in.Objects.Nodes = c.pods, c.nodes
	return nil
}

// addressAnywhere gives a pod of a node without ranges an address that is in nobody's range.
func (c *completion) addressAnywhere(p *corev1.Pod) {
	for number := 1; number <= lastPool && len(p.Status.PodIPs) == 0; number++ {
		pool := netip.MustParsePrefix(fmt.Sprintf(podPools[0], number))
		a := firstFree(pool, pool.Addr().Next(), func(a netip.Addr) bool {
			return c.inUse(a) || inAny(c.ranges, a)
		})
		if a.IsValid() {
			c.owners[a] = p.Spec.NodeName
			p.Status.PodIP = a.String()
			p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
		}
	}
}
