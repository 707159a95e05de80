package sandbox

import (
	"errors"
	"fmt"
	"net/netip"
)

// check says what makes a node impossible.
func (s Node) check() error {
	if s.Name == "" {
		return errors.New("a node needs a name")
	}
	if len(s.Addrs) == 0 {
		return errors.New("a node needs an address")
	}
	if err := onePerFamily(s.Addrs); err != nil {
		return fmt.Errorf("addresses: %w", err)
	}
	bases := make([]netip.Addr, 0, len(s.PodCIDRs))
	for _, cidr := range s.PodCIDRs {
		bases = append(bases, cidr.Addr())
		if cidr.Addr().BitLen()-cidr.Bits() < 2 {
			return fmt.Errorf("pod range %s has no room for a gateway and a pod", cidr)
		}
		if !sameFamily(unmapped(s.Addrs), cidr.Addr()).IsValid() {
			return fmt.Errorf("pod range %s: the node has no address of its family", cidr)
		}
	}
	if err := onePerFamily(bases); err != nil {
		return fmt.Errorf("pod ranges: %w", err)
	}
	return nil
}

// onePerFamily demands that addresses are valid and of different families.
func onePerFamily(addrs []netip.Addr) error {
	seen := map[bool]netip.Addr{}
	for _, a := range unmapped(addrs) {
		if !a.IsValid() {
			return errors.New("an address is not valid")
		}
		if first, twice := seen[a.Is4()]; twice {
			return fmt.Errorf("%s and %s are of one family", first, a)
		}
		seen[a.Is4()] = a
	}
	return nil
}

// check says what makes a pod impossible in this cluster.
func (c *Cluster) check(spec Pod, home *node) error {
	if _, exists := c.pods[spec.Name]; exists || spec.Name == "" {
		return fmt.Errorf("the name %q is taken or empty", spec.Name)
	}
	if spec.HostNetwork {
		return nil
	}
	if len(spec.Addrs) == 0 {
		return errors.New("a pod needs an address")
	}
	for _, a := range spec.Addrs {
		if err := c.checkAddr(a, home); err != nil {
			return err
		}
	}
	return nil
}

// checkAddr says why a pod of a node cannot have an address.
func (c *Cluster) checkAddr(a netip.Addr, home *node) error {
	if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() ||
		a.IsLinkLocalUnicast() || a.IsMulticast() {
		return fmt.Errorf("%v is no address for a pod", a)
	}
	if owner, taken := c.owners[a]; taken {
		return fmt.Errorf("%s belongs to %s", a, owner)
	}
	if !sameFamily(home.Addrs, a).IsValid() {
		return fmt.Errorf("%s: node %s has no address of its family", a, home.Name)
	}
	for _, n := range c.order {
		if n != home && containing(n.PodCIDRs, a).IsValid() {
			return fmt.Errorf("%s is in the pod range of node %s", a, n.Name)
		}
	}
	return nil
}

// claimAddrs records who has the addresses.
func (c *Cluster) claimAddrs(owner string, addrs []netip.Addr) error {
	for _, a := range addrs {
		if before, taken := c.owners[a]; taken {
			return fmt.Errorf("%s belongs to %s", a, before)
		}
		c.owners[a] = owner
	}
	return nil
}
