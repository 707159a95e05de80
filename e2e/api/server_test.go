package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/picket-project/picket/cmd/sandbox"
)

// controlPlane is the machine that etcd and the API server run on, on a switch of its own: agents come by a
// proxy.
const (
	controlPlane = "control-plane"
	serverAddr   = "192.168.0.5:6443"
	etcdAddr     = "127.0.0.1:2379"
)

// server is a real kube-apiserver with its etcd.
type server struct {
	host      *sandbox.Cluster
	dir       string
	worlds    atomic.Int32
	apiserver *exec.Cmd
	shipped   identity
	Admin     *kubernetes.Clientset
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
		shared.server.close()
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

func startServer() (_ *server, err error) {
	s := &server{}
	if os.Getenv("KUBE_APISERVER") == "" {
		return nil, errors.New("the variable KUBE_APISERVER is not set; expected the path of a kube-apiserver; `make api` builds one")
	}
	if s.shipped, err = shippedIdentity(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "picket-api-"); err != nil {
		return nil, err
	}
	s.host, err = sandbox.New([]sandbox.Node{{Name: controlPlane, Addrs: []netip.Addr{netip.MustParseAddrPort(serverAddr).Addr()}}})
	if err == nil {
		err = s.boot()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *server) boot() (err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	_, etcdErr := s.start("etcd", "etcd", "--data-dir", s.path("etcd"), "--unsafe-no-fsync")
	err = errors.Join(etcdErr,
		s.write("tokens.csv", []byte("admin-token,admin,admin,system:masters\n")),
		s.write("audit.yaml", []byte(auditPolicy)),
		s.write("sa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		s.startAPI())
	if err != nil {
		return err
	}
	if s.Admin, err = kubernetes.NewForConfig(s.config("admin-token")); err != nil {
		return err
	}
	return errors.Join(s.ready(), s.shipped.install(s.Admin))
}

// close ends the programs, and then what they write to.
func (s *server) close() {
	if s.host != nil {
		_ = s.host.Close()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) write(name string, data []byte) error {
	return os.WriteFile(s.path(name), data, 0o600)
}

// start runs a program on the control plane. What it says is added to its log.
func (s *server) start(name, program string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(program, args...)
	log, err := os.OpenFile(s.path(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := s.host.StartInNode(controlPlane, cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return cmd, nil
}

// stop ends a process that is still there.
func stop(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func (s *server) startAPI() (err error) {
	host, port, _ := net.SplitHostPort(serverAddr)
	s.apiserver, err = s.start("apiserver", os.Getenv("KUBE_APISERVER"),
		"--etcd-servers=http://"+etcdAddr, "--bind-address=0.0.0.0", "--advertise-address="+host, "--secure-port="+port,
		"--cert-dir="+s.path("certs"), "--token-auth-file="+s.path("tokens.csv"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+s.path("sa.key"),
		"--service-account-signing-key-file="+s.path("sa.key"), "--service-cluster-ip-range=172.20.0.0/16",
		"--audit-policy-file="+s.path("audit.yaml"), "--audit-log-path="+s.path("audit.log"),
		"--disable-admission-plugins=ServiceAccount")
	return err
}

func (s *server) stopAPI() { stop(s.apiserver) }

// dialer makes connections inside a node.
func dialer(in *sandbox.Cluster, node string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		inside := in.InNode(node, func() error {
			conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
			return err
		})
		return conn, inside
	}
}

// config is how the test itself reaches the server, as fast as it can.
func (s *server) config(token string) *rest.Config {
	return &rest.Config{
		Host: "https://" + serverAddr, BearerToken: token, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true}, WarningHandler: rest.NoWarnings{},
		ContentConfig: rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf"},
		Dial:          dialer(s.host, controlPlane),
	}
}

func (s *server) ready() error {
	return poll(time.Minute, func() error {
		_, err := s.Admin.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(context.Background())
		if err != nil {
			log, _ := os.ReadFile(s.path("apiserver.log"))
			err = fmt.Errorf("%w\n%s", err, log[max(0, len(log)-2000):])
		}
		return err
	})
}

// compact makes etcd forget all that was before now.
func (s *server) compact() error {
	var status struct{ Header struct{ Revision string } }
	if err := s.etcd("maintenance/status", `{}`, &status); err != nil {
		return err
	}
	return s.etcd("kv/compaction", fmt.Sprintf(`{"revision": %q, "physical": true}`, status.Header.Revision), &struct{}{})
}

// etcd calls etcd's JSON gateway.
func (s *server) etcd(method, body string, answer any) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: dialer(s.host, controlPlane), DisableKeepAlives: true}}
	response, err := client.Post("http://"+etcdAddr+"/v3/"+method, "application/json", bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd %s: %s", method, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

// poll asks until it gets no error.
func poll(within time.Duration, ask func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %w", within, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// eventually is poll for what a test cannot go on without.
func eventually(t *testing.T, within time.Duration, ask func() error) {
	t.Helper()
	if err := poll(within, ask); err != nil {
		t.Fatal(err)
	}
}
