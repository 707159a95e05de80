package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// claims has other nodes' pods and Node objects state the addresses of the test pods, again and
// again: nobody's isolation ends by that, nobody else's packets are lost, and each claim is
// reported.
type claims struct{}

func (claims) Name() string { return "claims" }

func (claims) Plan() plan { return plan{} }

func (claims) Inject(s *testbed) error {
	stop := s.churn.keepChanging(50 * time.Millisecond)
	rounds := s.times(50, 5)
	for range rounds {
		for _, c := range claimFiles() {
			if err := s.claim(c); err != nil {
				return errors.Join(err, stop())
			}
		}
	}
	s.done("%d claims", rounds*len(claimFiles()))
	return stop()
}

// claimFile is objects that state others' addresses.
type claimFile struct {
	name      string
	documents []string
	addr      string // one that is disputed
}

// claimFiles are: a pod for each test pod on another node, also on one that is not there; a node
// that states all of their addresses, as a virtual one does; and a pod of the server's own node
// that the same policies select.
func claimFiles() []claimFile {
	far := claimFile{name: "a pod of another node", addr: podOf("web").Addrs[0].String()}
	nowhere := claimFile{name: "a pod of no node", addr: podOf("near").Addrs[1].String()}
	var listed []string
	for _, a := range testPods() {
		p := a.pod()
		far.documents = append(far.documents, claimant(p, nodeName(3-a.node), "free"))
		nowhere.documents = append(nowhere.documents, claimant(p, "n9", "free"))
		for _, addr := range p.Addrs {
			listed = append(listed, fmt.Sprintf("{type: InternalIP, address: %q}", addr))
		}
	}
	virtual := `
apiVersion: v1
kind: Node
metadata: {name: virtual}
status: {addresses: [` + strings.Join(listed, ", ") + `]}
`
	return []claimFile{
		far, nowhere,
		{"a virtual node", []string{virtual}, podOf("web").Addrs[1].String()},
		{"a pod of the same node", []string{claimant(podOf("web"), podOf("web").Node, "web")},
			podOf("web").Addrs[0].String()},
	}
}

// claimant is a pod that states another's addresses and has started later.
func claimant(p sandbox.Pod, node, app string) string {
	p.Name, p.Node = p.Name+"-claimant", node
	return strings.Replace(podManifest(p, "app", app), "status: {",
		"status: {startTime: '2030-01-01T00:00:00Z', ", 1)
}

// claim states a claim, waits until it is told, and takes it back.
func (s *testbed) claim(c claimFile) error {
	if err := s.folder.put("claims.yaml", c.documents...); err != nil {
		return err
	}
	for _, a := range s.agents {
		if err := s.awaitDispute(a, c, true); err != nil {
			return err
		}
	}
	if err := s.folder.drop("claims.yaml"); err != nil {
		return err
	}
	return s.awaitDispute(s.agents[0], c, false)
}

func (s *testbed) awaitDispute(a *agent, c claimFile, told bool) error {
	_, err := s.await(patience, fmt.Sprintf("%s: %s of %s is disputed: %t", a.node, c.addr, c.name,
		told), func() error {
		r, err := a.client().Readiness()
		disputed := 0
		for name := range r.Warnings {
			if strings.HasPrefix(name, "address ") {
				disputed++
			}
		}
		if err == nil && told != (disputed > 0) {
			err = fmt.Errorf("%d addresses are", disputed)
		}
		return err
	})
	return err
}
