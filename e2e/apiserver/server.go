package apiserver

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/picket-project/picket/cmd/sandbox"
)

// Where the server is: on a machine of its own.
const (
	Machine = "control-plane"
	Addr    = "192.168.0.5:6443"
)

const (
	etcdAddr   = "127.0.0.1:2379"
	adminToken = "admin-token"
)

// Node is the machine, for the sandbox that it is to be part of.
func Node() sandbox.Node {
	return sandbox.Node{Name: Machine, Addrs: []netip.Addr{netip.MustParseAddrPort(Addr).Addr()}}
}

// Server is a real kube-apiserver with its etcd.
type Server struct {
	Admin   *kubernetes.Clientset // who may do everything, as fast as can be
	host    *sandbox.Cluster
	dir     string // of what they write
	program string
	audit   string
	process *exec.Cmd
}

// Start starts both in a sandbox that has Node, and waits until they work. The program is that of
// the API server, beside which etcd is; audit is a policy of what it is to write into its audit
// log; empty: nothing. On an error nothing is left but what the sandbox ends.
func Start(host *sandbox.Cluster, program, audit string) (*Server, error) {
	dir, err := os.MkdirTemp("", "picket-api-")
	if err != nil {
		return nil, err
	}
	s := &Server{host: host, dir: dir, program: program, audit: audit}
	if err := s.boot(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) boot() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	etcd := filepath.Join(filepath.Dir(s.program), "etcd")
	// the address is no name: for its own JSON gateway, etcd would ask the nameserver about a name
	_, etcdErr := s.start("etcd", etcd, "--data-dir", s.Path("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls=http://"+etcdAddr, "--advertise-client-urls=http://"+etcdAddr)
	err = errors.Join(etcdErr,
		s.write("tokens.csv", []byte(adminToken+",admin,admin,system:masters\n")),
		s.write("audit.yaml", []byte(s.audit)),
		s.write("sa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY",
			Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		s.StartAPI())
	if err != nil {
		return err
	}
	if s.Admin, err = kubernetes.NewForConfig(s.config()); err != nil {
		return err
	}
	return s.Ready()
}

// Close ends the sandbox, and with it the programs, and then removes what they write to.
func (s *Server) Close() error { return errors.Join(s.host.Close(), os.RemoveAll(s.dir)) }

// Path is where a file of the server's is: audit.log, certs/apiserver.crt and .key, and what is
// beside them.
func (s *Server) Path(name string) string { return filepath.Join(s.dir, name) }

// Token is by which one is Admin.
func (s *Server) Token() string { return adminToken }

// Dial makes connections on the server's machine.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return Dialer(s.host, Machine)(ctx, network, address)
}

func (s *Server) write(name string, data []byte) error {
	return os.WriteFile(s.Path(name), data, 0o600)
}

// start runs a program on the machine. What it says is added to its log.
func (s *Server) start(name, program string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(program, args...)
	log, err := os.OpenFile(s.Path(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := s.host.StartInNode(Machine, cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return cmd, nil
}

// StartAPI starts the API server's process, the first one or the next.
func (s *Server) StartAPI() (err error) {
	host, port, _ := net.SplitHostPort(Addr)
	args := []string{
		"--etcd-servers=http://" + etcdAddr, "--bind-address=0.0.0.0", "--advertise-address=" +
			host, "--secure-port=" + port,
		"--cert-dir=" + s.Path("certs"), "--token-auth-file=" + s.Path("tokens.csv"),
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" +
			s.Path("sa.key"),
		"--service-account-signing-key-file=" + s.Path("sa.key"),
		"--service-cluster-ip-range=172.20.0.0/16",
		"--disable-admission-plugins=ServiceAccount",
		// clusters keep policies with CIDRs that only older API servers took: so must this one
		"--feature-gates=StrictIPCIDRValidation=false",
	}
	if s.audit != "" {
		args = append(args, "--audit-policy-file="+s.Path("audit.yaml"), "--audit-log-path="+
			s.Path("audit.log"))
	}
	s.process, err = s.start("apiserver", s.program, args...)
	return err
}

// StopAPI kills that process.
func (s *Server) StopAPI() {
	if s.process.ProcessState == nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
	}
}

func (s *Server) config() *rest.Config {
	return &rest.Config{
		Host: "https://" + Addr, BearerToken: adminToken, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true}, WarningHandler: rest.NoWarnings{},
		ContentConfig: rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf"},
		Dial:          s.Dial,
	}
}

// startsWithin is how long an emulated machine may take; a usual one takes seconds.
const startsWithin = 5 * time.Minute

// Ready waits until the API server works.
func (s *Server) Ready() error {
	return Poll(startsWithin, func() error {
		_, err := s.Admin.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(
			context.Background())
		if err != nil {
			log, _ := os.ReadFile(s.Path("apiserver.log"))
			err = fmt.Errorf("%w\n%s", err, log[max(0, len(log)-2000):])
		}
		return err
	})
}

// Dialer makes connections inside a node.
func Dialer(in *sandbox.Cluster, node string) func(context.Context, string, string) (net.Conn,
	error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		inside := in.InNode(node, func() error {
			conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
			return err
		})
		return conn, inside
	}
}

// Poll asks until it gets no error.
func Poll(within time.Duration, ask func() error) error {
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
