package sandbox

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"sync"
)

// ErrNotFound is wrapped by what fails because a pod or node is not in the cluster.
var ErrNotFound = errors.New("not in the sandbox")

// Cluster is nodes and pods that exist. Close ends it.
type Cluster struct {
	mu         sync.Mutex // guards everything below
	nodeSwitch *nodeSwitch
	nodes      map[string]*node
	order      []*node // as given to New
	pods       map[string]*pod
	owners     map[netip.Addr]string // who has an address: "pod a/b", "node c"
	podsMade   int                   // made so far; names the next pod's interface
	launcher   *launcher
	closed     bool
}

// New builds the nodes and the routes between them; pods come later.
func New(nodes []Node) (_ *Cluster, err error) {
	c := &Cluster{
		nodes:    map[string]*node{},
		pods:     map[string]*pod{},
		owners:   map[netip.Addr]string{},
		launcher: newLauncher(),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.nodeSwitch, err = newSwitch(); err != nil {
		return nil, fmt.Errorf("make the switch: %w", err)
	}
	for _, spec := range nodes {
		if err := c.addNode(spec); err != nil {
			return nil, fmt.Errorf("make node %s: %w", spec.Name, err)
		}
	}
	if err := c.routeNodes(); err != nil {
		return nil, err
	}
	return c, nil
}

// addNode checks a node against itself and against those before it.
func (c *Cluster) addNode(spec Node) error {
	if err := spec.check(); err != nil {
		return err
	}
	if _, exists := c.nodes[spec.Name]; exists {
		return errors.New("there is such a node already")
	}
	n, err := newNode(spec, c.nodeSwitch)
	if err != nil {
		return err
	}
	c.nodes[n.Name] = n
	c.order = append(c.order, n)
	return c.claimAddrs("node "+n.Name, n.listenAddrs())
}

// routeNodes routes every node to every other.
func (c *Cluster) routeNodes() error {
	for _, n := range c.order {
		for _, other := range c.order {
			if n == other {
				continue
			}
			if err := n.routeTo(other); err != nil {
				return fmt.Errorf("route node %s to node %s: %w", n.Name, other.Name, err)
			}
		}
	}
	return nil
}

// AddPod starts a pod. When it returns, the pod can be reached. An address that
// somebody has is refused, and so is one out of another node's pod range.
func (c *Cluster) AddPod(spec Pod) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.addPod(spec); err != nil {
		return fmt.Errorf("add pod %s: %w", spec.Name, err)
	}
	return nil
}

// addPod is AddPod without the lock. A pod that fails on the way leaves nothing.
func (c *Cluster) addPod(spec Pod) error {
	home, err := c.node(spec.Node)
	if err != nil {
		return err
	}
	spec.Addrs = unmapped(spec.Addrs)
	if spec.HostNetwork && len(spec.Addrs) == 0 {
		spec.Addrs = home.Addrs
	}
	if err := c.check(spec, home); err != nil {
		return err
	}
	c.podsMade++
	p, err := newPod(spec, home, fmt.Sprintf("pod%d", c.podsMade))
	if err != nil {
		return err
	}
	if err := c.addRoutes(p); err != nil {
		return errors.Join(err, c.removeRoutes(p), p.close())
	}
	c.pods[p.Name] = p
	if !p.HostNetwork {
		return c.claimAddrs("pod "+p.Name, p.Addrs)
	}
	return nil
}

// addRoutes routes the other nodes to those addresses of a pod that no pod range contains.
func (c *Cluster) addRoutes(p *pod) error {
	return c.eachPodRoute(p, func(n *node, r route) error { return r.add(n.links) })
}

// removeRoutes removes those routes; it is no error if they are not there.
func (c *Cluster) removeRoutes(p *pod) error {
	return c.eachPodRoute(p, func(n *node, r route) error { return r.remove(n.links) })
}

// eachPodRoute calls f for each of those routes, with the node that it is on.
func (c *Cluster) eachPodRoute(p *pod, f func(*node, route) error) error {
	var errs []error
	for _, a := range p.unranged {
		for _, n := range c.order {
			if n != p.home {
				errs = append(errs, f(n, n.routeToPods(p.home, hostPrefix(a))))
			}
		}
	}
	return errors.Join(errs...)
}

// DeletePod ends a pod: what it serves, its veth and its namespace. Children
// that StartInPod started there live on, without a network.
func (c *Cluster) DeletePod(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.pod(name)
	if err != nil {
		return err
	}
	delete(c.pods, name)
	if !p.HostNetwork {
		for _, a := range p.Addrs {
			delete(c.owners, a)
		}
	}
	if err := errors.Join(c.removeRoutes(p), p.close()); err != nil {
		return fmt.Errorf("delete pod %s: %w", name, err)
	}
	return nil
}

// Close ends the cluster and every child that it started. The kernel takes the
// namespaces apart some time later. Closing again does nothing.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.launcher.close()
	var errs []error
	for _, p := range c.pods {
		errs = append(errs, p.release())
	}
	for _, n := range c.order {
		errs = append(errs, n.close())
	}
	if c.nodeSwitch != nil {
		errs = append(errs, c.nodeSwitch.close())
	}
	clear(c.pods)
	clear(c.nodes)
	return errors.Join(errs...)
}

// InNode runs f in a node's namespace; see Netns.Do.
func (c *Cluster) InNode(node string, f func() error) error {
	n, err := locked(c, c.node, node)
	if err != nil {
		return err
	}
	return n.ns.Do(f)
}

// InPod runs f in a pod's namespace; see Netns.Do.
func (c *Cluster) InPod(pod string, f func() error) error {
	p, err := locked(c, c.pod, pod)
	if err != nil {
		return err
	}
	return p.ns.Do(f)
}

// StartInNode starts a process in a node's namespace. It is the caller's to wait
// for; it dies with the cluster unless the command sets a death signal of its own.
func (c *Cluster) StartInNode(node string, cmd *exec.Cmd) error {
	n, err := locked(c, c.node, node)
	if err != nil {
		return err
	}
	return c.launcher.start(n.ns, cmd)
}

// StartInPod is StartInNode for a pod's namespace.
func (c *Cluster) StartInPod(pod string, cmd *exec.Cmd) error {
	p, err := locked(c, c.pod, pod)
	if err != nil {
		return err
	}
	return c.launcher.start(p.ns, cmd)
}

// locked looks one thing up for a caller that does not hold the lock.
func locked[T any](c *Cluster, find func(string) (T, error), name string) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return find(name)
}

// node returns a node by its name. The caller holds the lock.
func (c *Cluster) node(name string) (*node, error) {
	if n := c.nodes[name]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("node %s: %w", name, ErrNotFound)
}

// pod returns a pod by its name. The caller holds the lock.
func (c *Cluster) pod(name string) (*pod, error) {
	if p := c.pods[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("pod %s: %w", name, ErrNotFound)
}
