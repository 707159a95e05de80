package api

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/e2e/apiserver"
)

// server is a real kube-apiserver, on a switch of its own: agents reach it through a proxy.
type server struct {
	*apiserver.Server
	clusters atomic.Int32
	ranges   atomic.Int32 // of pods, that nodes of worlds have taken
	shipped  identity
}

// shared is the one server of all tests; the first of them starts it.
var shared struct {
	sync.Once
	server *server
	err    error
}

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // those that run in parallel mostly wait
	code := m.Run()
	if shared.server != nil {
		_ = shared.server.Close()
	}
	os.Exit(code)
}

func theServer(t *testing.T) *server {
	t.Helper()
	shared.Do(func() { shared.server, shared.err = startServer() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

func startServer() (*server, error) {
	program := os.Getenv("KUBE_APISERVER")
	if program == "" {
		return nil,
			errors.New(
				"the variable KUBE_APISERVER is not set; expected the path of a kube-apiserver; " +
					"`make api` builds one")
	}
	shipped, err := shippedIdentity()
	if err != nil {
		return nil, err
	}
	host, err := sandbox.New([]sandbox.Node{apiserver.Node()})
	if err != nil {
		return nil, err
	}
	started, err := apiserver.Start(host, program, auditPolicy)
	if err != nil {
		return nil, err
	}
	s := &server{Server: started, shipped: shipped}
	return s, s.shipped.install(s.Admin)
}

// stop ends a process that is still there.
func stop(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func poll(within time.Duration, ask func() error) error { return apiserver.Poll(within, ask) }

// eventually is poll for what a test cannot go on without.
func eventually(t *testing.T, within time.Duration, ask func() error) {
	t.Helper()
	if err := poll(within, ask); err != nil {
		t.Fatal(err)
	}
}
