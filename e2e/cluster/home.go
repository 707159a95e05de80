package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// home is the folder of everything: bin, containerd, cni and images, which are kept, and run, which
// the cluster has while it is up.
type home string

// newHome is $CACHE/cluster; CACHE is ~/.cache/picket unless it is set.
func newHome() home {
	cache := os.Getenv("CACHE")
	if cache == "" {
		user, _ := os.UserCacheDir()
		cache = filepath.Join(user, "picket")
	}
	return home(filepath.Join(cache, "cluster"))
}

func (h home) path(parts ...string) string {
	return filepath.Join(append([]string{string(h)}, parts...)...)
}
func (h home) bin(name string) string     { return h.path("bin", name) }
func (h home) run(parts ...string) string { return h.path(append([]string{"run"}, parts...)...) }
func (h home) log(name string) string     { return h.run("log", name+".log") }
func (h home) pki(name string) string     { return h.run("pki", name) }

// kubeconfig is the file of a user of the cluster.
func (h home) kubeconfig(user string) string { return h.pki(user + ".kubeconfig") }

// searchPath is PATH of a variant's nodes, and of who works on them.
func (h home) searchPath(v variant) string {
	path := h.path("bin") + ":" + os.Getenv("PATH")
	if v.Containerd == built {
		path = h.path("containerd") + ":" + path
	}
	return path
}

// pluginDir is where the CNI plugins of a variant are.
func (h home) pluginDir(v variant) string {
	if v.Containerd == built {
		return h.path("cni")
	}
	return "/usr/lib/cni"
}

// variant is what can be chosen of a cluster.
type variant struct {
	Backend  string // of flannel
	Proxy    string // mode of kube-proxy
	Families string // the first one is that of Services and pods which have only one address
	// built: as versions.env says; debian: the machine's, with its runc and plugins
	Containerd string
	Nodes      int
}

// Where containerd, runc and the CNI plugins come from.
const (
	built  = "built"
	debian = "debian"
)

const (
	ipv4     = "IPv4"
	ipv4ipv6 = "IPv4,IPv6"
	ipv6ipv4 = "IPv6,IPv4"
)

func (v variant) String() string {
	text := fmt.Sprintf("%s, kube-proxy %s, %s", v.Backend, v.Proxy, v.Families)
	if v.Containerd == debian {
		text += ", Debian's containerd"
	}
	return text
}

// Dual reports whether there are two families; templates ask it too.
func (v variant) Dual() bool { return v.Families != ipv4 }

// Validate checks the flags.
func (v variant) Validate() error {
	switch {
	case !slices.Contains([]string{"host-gw", "vxlan"}, v.Backend):
		return fmt.Errorf("--flannel %s: expected host-gw or vxlan", v.Backend)
	case !slices.Contains([]string{"nftables", "iptables"}, v.Proxy):
		return fmt.Errorf("--kube-proxy %s: expected nftables or iptables", v.Proxy)
	case !slices.Contains([]string{ipv4, ipv4ipv6, ipv6ipv4}, v.Families):
		return fmt.Errorf("--families %s: expected %s, %s or %s", v.Families, ipv4, ipv4ipv6,
			ipv6ipv4)
	case v.Containerd != built && v.Containerd != debian:
		return fmt.Errorf("--containerd %s: expected %s or %s", v.Containerd, built, debian)
	case v.Nodes < 1 || v.Nodes > 9:
		return fmt.Errorf("--nodes %d: expected 1 to 9", v.Nodes)
	}
	return nil
}

// host is a machine of the cluster.
type host struct {
	Name   string
	Number int // last part of its addresses
}

const controlHost = "control"

func (h host) netns() string { return "picket-" + h.Name }
func (h host) ip4() string   { return fmt.Sprintf("10.77.0.%d", h.Number) }
func (h host) ip6() string   { return fmt.Sprintf("fd77::%d", h.Number) }

// control is where the control plane runs.
var control = host{controlHost, 10}

// nodes are the hosts with a kubelet.
func (v variant) nodes() []host {
	var list []host
	for n := 1; n <= v.Nodes; n++ {
		list = append(list, host{fmt.Sprintf("n%d", n), 10 + n})
	}
	return list
}

// join puts what there is for both families together, in their order.
func (v variant) join(four, six string) string {
	switch v.Families {
	case ipv4ipv6:
		return four + "," + six
	case ipv6ipv4:
		return six + "," + four
	default:
		return four
	}
}

// first chooses what there is for the first family.
func (v variant) first(four, six string) string {
	first, _, _ := strings.Cut(v.join(four, six), ",")
	return first
}

func (v variant) podRanges() string     { return v.join("10.244.0.0/16", "fd44::/56") }
func (v variant) serviceRanges() string { return v.join("10.96.0.0/16", "fd96::/112") }

// state is what is written down about a cluster that is up, or on its way there.
type state struct {
	Variant   variant
	Processes []process // in the order in which they were started
}

var errDown = errors.New("no cluster is up; expected one started with: make cluster-up")

func (h home) state() (*state, error) {
	data, err := os.ReadFile(h.run("state.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errDown
	}
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("%s: %w", h.run("state.json"), err)
	}
	return s, nil
}

// save replaces the file of the state as a whole: nodes read it while further ones are started, and
// one that found half of it ended at once.
func (h home) save(s *state) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	next := h.run("state.next")
	return errors.Join(os.WriteFile(next, data, 0o600), os.Rename(next, h.run("state.json")))
}
