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

// Cluster is nodes and pods that live. Close ends it.
type Cluster struct {
	mu     sync.Mutex // guards everything below
	fabric *fabric
	nodes  map[string]*node
	order  []*node // as given to New
	pods   map[string]*pod
	owners map[netip.Addr]string // who has an address: "pod a/b", "node c"
	wires  int                   // made so far; names the next one
	nurse  *nursery
	closed bool
}

// New builds the nodes and the routes between them; pods come later.
func New(nodes []Node) (_ *Cluster, err error) {
	c := &Cluster{
		nodes:  map[string]*node{},
		pods:   map[string]*pod{},
		owners: map[netip.Addr]string{},
		nurse:  newNursery(),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.fabric, err = newFabric(); err != nil {
		return nil, fmt.Errorf("make the switch: %w", err)
	}
	for _, spec := range nodes {
		if err := c.addNode(spec); err != nil {
			return nil, fmt.Errorf("make node %s: %w", spec.Name, err)
		}
	}
	if err := c.introduce(); err != nil {
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
	n, err := newNode(spec, c.fabric)
	if err != nil {
		return err
	}
	c.nodes[n.Name] = n
	c.order = append(c.order, n)
	return c.claim("node "+n.Name, n.listenAddrs())
}

// introduce routes every node to every other.
func (c *Cluster) introduce() error {
	for _, n := range c.order {
		for _, other := range c.order {
			if n == other {
				continue
			}
			if err := n.meet(other); err != nil {
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
	c.wires++
	p, err := newPod(spec, home, fmt.Sprintf("pod%d", c.wires))
	if err != nil {
		return err
	}
	if err := c.publish(p); err != nil {
		return errors.Join(err, c.retract(p), p.close())
	}
	c.pods[p.Name] = p
	if !p.HostNetwork {
		return c.claim("pod "+p.Name, p.Addrs)
	}
	return nil
}

// publish routes the other nodes to those addresses that no pod range covers.
func (c *Cluster) publish(p *pod) error {
	return c.eachStray(p, func(n *node, r route) error { return r.add(n.links) })
}

// retract takes those routes away; it does not mind if they are not there.
func (c *Cluster) retract(p *pod) error {
	return c.eachStray(p, func(n *node, r route) error { return r.remove(n.links) })
}

// eachStray visits the other nodes with the route that leads from them to the pod.
func (c *Cluster) eachStray(p *pod, f func(*node, route) error) error {
	var errs []error
	for _, a := range p.strays {
		for _, n := range c.order {
			if n != p.home {
				errs = append(errs, f(n, n.reach(p.home, single(a))))
			}
		}
	}
	return errors.Join(errs...)
}

// DeletePod ends a pod: what it serves, its wire and its namespace. Children
// that StartInPod started there live on, cut off.
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
	if err := errors.Join(c.retract(p), p.close()); err != nil {
		return fmt.Errorf("delete pod %s: %w", name, err)
	}
	return nil
}

// Close ends the cluster and every child that it started. The kernel takes the
// namespaces apart afterwards, on its own time. Closing again does nothing.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.nurse.close()
	var errs []error
	for _, p := range c.pods {
		errs = append(errs, p.abandon())
	}
	for _, n := range c.order {
		errs = append(errs, n.close())
	}
	if c.fabric != nil {
		errs = append(errs, c.fabric.close())
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
	return c.nurse.start(n.ns, cmd)
}

// StartInPod is StartInNode for a pod's namespace.
func (c *Cluster) StartInPod(pod string, cmd *exec.Cmd) error {
	p, err := locked(c, c.pod, pod)
	if err != nil {
		return err
	}
	return c.nurse.start(p.ns, cmd)
}

// locked looks one thing up for a caller that does not hold the lock.
func locked[T any](c *Cluster, find func(string) (T, error), name string) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return find(name)
}

func (c *Cluster) node(name string) (*node, error) {
	if n := c.nodes[name]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("node %s: %w", name, ErrNotFound)
}

func (c *Cluster) pod(name string) (*pod, error) {
	if p := c.pods[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("pod %s: %w", name, ErrNotFound)
}
