package smoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// place is where something can be asked: a name for people and all its addresses,
// "tcp/10.244.0.2:8080".
type place struct {
	name      string
	addresses []string
}

func newPlace(name, network, port string, ips []string) place {
	at := place{name: name}
	for _, ip := range ips {
		at.addresses = append(at.addresses, network+"/"+net.JoinHostPort(ip, port))
	}
	return at
}

// pod is a place in a pod, by its own addresses.
func pod(t *testing.T, namespace, name, network, port string) place {
	t.Helper()
	var p corev1.Pod
	get(t, &p, "pod", "-n", namespace, name)
	var ips []string
	for _, ip := range p.Status.PodIPs {
		ips = append(ips, ip.IP)
	}
	return newPlace(fmt.Sprintf("%s %s/%s", name, network, port), network, port, ips)
}

// service is a place behind the cluster addresses of a service.
func service(t *testing.T, namespace, name, network, port string) place {
	t.Helper()
	var s corev1.Service
	get(t, &s, "service", "-n", namespace, name)
	return newPlace(fmt.Sprintf("service %s %s/%s", name, network, port), network, port,
		s.Spec.ClusterIPs)
}

// nodePort is a place at a node's own addresses.
func nodePort(t *testing.T, node, port string) place {
	t.Helper()
	return newPlace("node port at "+node, "tcp", port, nodeAddresses(t, node))
}

func nodeAddresses(t *testing.T, name string) (list []string) {
	t.Helper()
	var n corev1.Node
	get(t, &n, "node", name)
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			list = append(list, a.Address)
		}
	}
	return list
}

// names of places.
func names(places ...place) (list []string) {
	for _, at := range places {
		list = append(list, at.name)
	}
	return list
}

// reach is who reaches what: by "namespace/pod", the names of the places that answer. Other places
// must not.
type reach map[string][]string

// with returns the same, but for what one pod reaches.
func (want reach) with(from string, open ...string) reach {
	changed := maps.Clone(want)
	changed[from] = open
	return changed
}

// comesTrue waits until every pod reaches just what it should, at every address, and sees that this
// lasts.
func (want reach) comesTrue(t *testing.T, places ...place) {
	t.Helper()
	eventually(t, 30*time.Second, func() error { return want.check(places) })
	if err := want.check(places); err != nil {
		t.Fatalf("did not last: %v", err)
	}
}

// check asks all places from all pods, at the same time.
func (want reach) check(places []place) error {
	answers := make(chan error)
	for from, open := range want {
		go func() { answers <- checkFrom(from, open, places) }()
	}
	var errs []error
	for range want {
		errs = append(errs, <-answers)
	}
	return errors.Join(errs...)
}

func checkFrom(from string, open []string, places []place) error {
	var targets []string
	for _, at := range places {
		patience := "1s"
		if slices.Contains(open, at.name) {
			patience = "6s" // the machine may be busy; what is denied is never answered
		}
		for _, address := range at.addresses {
			targets = append(targets, address+"="+patience)
		}
	}
	got, err := try(from, targets)
	if err != nil {
		return err
	}
	var errs []error
	for _, at := range places {
		for _, address := range at.addresses {
			if (got[address] == "open") != slices.Contains(open, at.name) {
				errs = append(errs, fmt.Errorf("%s → %s (%s): %s", from, at.name, address,
					got[address]))
			}
		}
	}
	return errors.Join(errs...)
}

// try asks targets from within a pod, each once.
func try(from string, targets []string) (map[string]string, error) {
	namespace, name, _ := strings.Cut(from, "/")
	out, err := kubectl(append([]string{"exec", "-n", namespace, name, "--", "/probe", "try"},
		targets...)...)
	if err != nil {
		return nil, err
	}
	results := map[string]string{}
	return results, json.Unmarshal([]byte(out), &results)
}
