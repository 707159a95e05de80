package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/e2e/apiserver"
)

// testCluster is the machine of an API server and samplecluster.LocalNode; of the other nodes and
// of all pods there is only what the server says.
type testCluster struct {
	*sandbox.Cluster
	objects       samplecluster.Cluster
	server, token string
	lists         func(context.Context) (int, error) // number of lists that the server has answered
	real          *apiserver.Server                  // nil: a stand-in
	end           func() error
}

// localNode is samplecluster.LocalNode as the sandbox makes it.
func localNode() sandbox.Node {
	return sandbox.Node{
		Name: samplecluster.LocalNode, Addrs: []netip.Addr{netip.MustParseAddr("172.20.0.1")},
		PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
	}
}

// newStandInCluster has a server that answers lists alone.
func newStandInCluster(_ context.Context, size samplecluster.Size) (*testCluster, error) {
	w := samplecluster.New(size, 1)
	addPodFields(w)
	addManagedFields(w)
	in, err := sandbox.New([]sandbox.Node{apiserver.Node(), localNode()})
	if err != nil {
		return nil, err
	}
	server, err := newStandIn(in, w)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return &testCluster{
		Cluster: in, objects: w, server: "http://" + apiserver.Addr, token: "nobody",
		lists: func(context.Context) (int, error) { return int(server.lists.Load()), nil },
		end:   func() error { return errors.Join(server.close(), in.Close()) },
	}, nil
}

// newRealCluster has a kube-apiserver that holds all objects of a cluster.
func newRealCluster(ctx context.Context, size samplecluster.Size) (*testCluster, error) {
	program := os.Getenv("KUBE_APISERVER")
	if program == "" {
		return nil, errors.New(
			"the variable KUBE_APISERVER is not set; expected the path of a kube-apiserver; " +
				"`cd e2e && go run ./cluster build --api-server` builds one")
	}
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	in, err := sandbox.New([]sandbox.Node{apiserver.Node(), localNode()})
	if err != nil {
		return nil, err
	}
	server, err := apiserver.Start(in, program, "")
	if err != nil {
		return nil, err
	}
	w := samplecluster.New(size, 1)
	addPodFields(w)
	s := &testCluster{
		Cluster: in, objects: w, server: "https://" + apiserver.Addr, token: server.Token(),
		real:  server,
		lists: func(ctx context.Context) (int, error) { return listsOf(ctx, server) },
		end:   server.Close,
	}
	if err := populate(ctx, server.Admin, w); err != nil {
		return nil, errors.Join(fmt.Errorf("write the cluster to the API server: %w", err), s.end())
	}
	return s, nil
}

// listsOf counts the LIST requests for what agents follow, of all clients, from the server's
// metrics.
func listsOf(ctx context.Context, s *apiserver.Server) (count int, err error) {
	text, err := s.Admin.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "apiserver_request_total{") ||
			!strings.Contains(line, `verb="LIST"`) {
			continue
		}
		for _, resource := range []string{"pods", "nodes", "namespaces", "networkpolicies"} {
			if strings.Contains(line, fmt.Sprintf("resource=%q", resource)) {
				var n float64
				_, _ = fmt.Sscan(line[strings.LastIndex(line, "}")+1:], &n)
				count += int(n)
			}
		}
	}
	return count, err
}

// wire is the numbers of bytes that a node has received and sent.
type wire struct{ received, sent int }

// traffic is that of LocalNode, where nobody but the agent sends and receives.
func (s *testCluster) traffic() (w wire, err error) {
	err = s.InNode(samplecluster.LocalNode, func() error {
		thread, err := procfs.NewProc(unix.Gettid())
		if err != nil {
			return err
		}
		devices, err := thread.NetDev()
		w = wire{int(devices["eth0"].RxBytes), int(devices["eth0"].TxBytes)}
		return err
	})
	return w, err
}
