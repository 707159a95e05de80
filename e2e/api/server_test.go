package api

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/picket-project/picket/cmd/sandbox"
)

// controlPlane is the machine that etcd and the API server run on: a host beside the nodes.
const (
	controlPlane = "control-plane"
	serverAddr   = "10.77.0.5"
	serverPort   = "6443"
)

// server is a real kube-apiserver with its etcd.
type server struct {
	t         *testing.T
	cluster   *sandbox.Cluster
	dir       string
	apiserver *exec.Cmd
	Admin     *kubernetes.Clientset
}

// tokens are the users of the server; picket has no rights but those that a test gives to it.
const tokens = "admin-token,admin,admin,system:masters\npicket-token,picket,picket\n"

func startServer(t *testing.T, cluster *sandbox.Cluster) *server {
	t.Helper()
	s := &server{t: t, cluster: cluster, dir: t.TempDir()}
	s.write("tokens.csv", []byte(tokens))
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s.write("sa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	s.start("etcd", "etcd", "--data-dir", s.path("etcd"), "--unsafe-no-fsync")
	s.startAPI()
	s.Admin, err = kubernetes.NewForConfig(s.config("admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	s.ready()
	return s
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) write(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs a program on the control plane until the test ends.
func (s *server) start(name, program string, args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	log, err := os.Create(s.path(name + ".log"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := s.cluster.StartInNode(controlPlane, cmd); err != nil {
		s.t.Fatalf("start %s: %v", program, err)
	}
	s.t.Cleanup(func() { stop(cmd) })
	return cmd
}

// stop ends a process that is still there.
func stop(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func (s *server) startAPI() {
	s.t.Helper()
	matches, _ := filepath.Glob(filepath.Join(os.Getenv("CACHE"), "bin", "kube-apiserver-*"))
	if len(matches) == 0 {
		s.t.Fatalf("no kube-apiserver in $CACHE/bin; run: make api")
	}
	s.apiserver = s.start("apiserver", matches[len(matches)-1],
		"--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0", "--advertise-address="+serverAddr, "--secure-port="+serverPort,
		"--cert-dir="+s.path("certs"), "--token-auth-file="+s.path("tokens.csv"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+s.path("sa.key"),
		"--service-account-signing-key-file="+s.path("sa.key"), "--service-cluster-ip-range=10.96.0.0/16",
		"--disable-admission-plugins=ServiceAccount")
}

func (s *server) stopAPI() { stop(s.apiserver) }

// config reaches the server from the test's own namespace.
func (s *server) config(token string) *rest.Config {
	return &rest.Config{
		Host: "https://" + net.JoinHostPort(serverAddr, serverPort), BearerToken: token, QPS: 1000, Burst: 1000,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		Dial: func(_ context.Context, network, address string) (conn net.Conn, err error) {
			inside := s.cluster.InNode(controlPlane, func() error {
				conn, err = net.DialTimeout(network, address, 5*time.Second)
				return err
			})
			return conn, inside
		},
	}
}

// kubeconfig is a file for an agent on a node.
func (s *server) kubeconfig(token string) string {
	s.t.Helper()
	s.write("kubeconfig-"+token, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://%s:%s", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, serverAddr, serverPort, token))
	return s.path("kubeconfig-" + token)
}

func (s *server) ready() {
	s.t.Helper()
	eventually(s.t, time.Minute, func() error {
		_, err := s.Admin.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(s.t.Context())
		if err != nil {
			log, _ := os.ReadFile(s.path("apiserver.log"))
			return fmt.Errorf("%w\n%s", err, log[max(0, len(log)-2000):])
		}
		return nil
	})
}

// eventually asks until it gets no error.
func eventually(t *testing.T, within time.Duration, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", within, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
