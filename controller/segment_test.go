package controller

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// bridged is a host with one bridge, on which every pod has a port called by its address.
type bridged struct{}

func (bridged) Prepare(pods []netip.Addr) ([]ruleset.Link, error) {
	return []ruleset.Link{{Name: "cni0", Addrs: pods}}, nil
}

func (bridged) Tunnels() ([]ruleset.Tunnel, error) { return nil, nil }

func (bridged) Ports(pods []netip.Addr) ([]ruleset.Port, error) {
	var ports []ruleset.Port
	for _, a := range pods {
		ports = append(ports, ruleset.Port{Link: "veth-" + a.String(), Addrs: []netip.Addr{a}})
	}
	return ports, nil
}

// fence is a Separator that refuses the first attempts.
type fence struct {
	mu      sync.Mutex // guards the fields below
	refuse  int
	segment ruleset.Segment
}

func (f *fence) PutSegment(_ context.Context, s ruleset.Segment) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse--; f.refuse >= 0 {
		return errors.New("no bridges here")
	}
	f.segment = s
	return nil
}

func (f *fence) isolated() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var links []string
	for _, p := range f.segment.Ports {
		if p.Isolated {
			links = append(links, p.Link)
		}
	}
	return strings.Join(links, " ")
}

func (f *fence) ports() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.segment.Ports)
}

// Pods are kept apart as they come and as policies select them; where that fails the node is ready, says what is
// wrong, and tries again.
func TestSegmentFollows(t *testing.T) {
	source, f := script(make(chan Mail)), &fence{refuse: 2}
	c := start(t, Config{Source: source, Firewall: &kernel{}, Host: bridged{}, Separator: f, Audit: time.Hour})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "warned", func() bool {
		r := c.Health.Readiness()
		return r.Ready && strings.Contains(r.Warnings["bridge of pods"], "no bridges here")
	})
	eventually(t, "tried again", func() bool { return f.isolated() == "veth-10.244.1.5" && len(c.Health.Readiness().Warnings) == 0 })
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("other", "10.244.1.6")}}}
	eventually(t, "a second pod", func() bool { return f.isolated() == "veth-10.244.1.5 veth-10.244.1.6" })
	source <- Mail{Events: []graph.Event{graph.PolicyGone{Key: deny("default", "deny").Key}}}
	eventually(t, "nothing is left to get around", func() bool { return f.ports() == 0 })
	source <- Mail{Events: []graph.Event{graph.PolicySet{Policy: deny("elsewhere", "deny")}}}
	eventually(t, "a policy anywhere", func() bool { return f.ports() == 2 && f.isolated() == "" })
}
