package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/picket-project/picket/e2e/apiserver"
)

// engine is another program that enforces policies, and how to tell what it does.
type engine struct {
	name            string
	folder, program string // what it is built from: a module below e2e
	ipv4            bool   // it is without IPv6
	command         func(m *moving, program, kubeconfig string) []string
	lacks           func(s *testbed) error              // of this kernel; nil: nothing
	enforces        func(s *testbed, node string) error // nil: its rules know the node's pods
	leftovers       func(s *testbed, node string) (string, error)
}

// engines lists those that the module proxy serves.
func engines() []engine { return []engine{kubeRouter(), kubeNetworkPolicies()} }

// kubeRouter is the firewall of kube-router alone, with its iptables and ipset. The newest that the
// module proxy serves, 2.1.0, looks for its sets of IPv6 under names that they do not have.
func kubeRouter() engine {
	return engine{
		name: "kube-router", folder: "rivals/kuberouter",
		program: "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
		ipv4:    true,
		command: func(m *moving, program, kubeconfig string) []string {
			return []string{program, "--kubeconfig=" + kubeconfig, "--run-firewall=true",
				"--run-router=false", "--run-service-proxy=false", "--enable-cni=false",
				"--metrics-port=0", "--service-cluster-ip-range=172.20.0.0/16"}
		},
		lacks: func(*testbed) error { return nil },
		enforces: func(s *testbed, node string) error {
			return s.namesPods(node, "-j KUBE-POD-FW-", "iptables-save")
		},
		leftovers: func(s *testbed, node string) (string, error) {
			return s.inNode(node, "", "sh", "-c",
				"{ iptables-save; ip6tables-save; ipset list -name; } | grep KUBE- || true")
		},
	}
}

// serviceAccount begins a program of a pod where there is no kubelet: with the account's files where
// pods have them, in a mount namespace of its own.
const serviceAccount = `mount -t tmpfs none /run
folder=/run/secrets/kubernetes.io/serviceaccount
mkdir -p $folder
cp "$1" $folder/ca.crt
printf %s "$2" >$folder/token
shift 2
exec "$@"`

// kubeNetworkPolicies knows no kubeconfig: it has the account of its pod.
func kubeNetworkPolicies() engine {
	return engine{
		name: "kube-network-policies", folder: "rivals/kubenetworkpolicies",
		program: "sigs.k8s.io/kube-network-policies/cmd",
		command: func(m *moving, program, _ string) []string {
			return []string{"unshare", "--mount", "sh", "-ec", serviceAccount, "sh",
				m.server.Path("certs/apiserver.crt"), m.server.Token(), program, "--v=2"}
		},
		lacks: func(s *testbed) error {
			_, err := s.inNode(nodeName(1), "table inet t { chain c { queue to 100; }; }\n", s.env.nft,
				"--check", "-f", "-")
			return err
		},
		enforces: func(s *testbed, node string) error {
			return s.namesPods(node, "", "nft list table inet kube-network-policies")
		},
		leftovers: func(s *testbed, node string) (string, error) {
			return s.inNode(node, "", "sh", "-c",
				"nft list tables | grep kube-network-policies || true")
		},
	}
}

// namesPods is an error unless commands print an address of each isolated pod of a node, in a line
// with a text.
func (s *testbed) namesPods(node, text string, commands ...string) error {
	said, err := s.inNode(node, "", "sh", "-ec", strings.Join(commands, "\n"))
	if err != nil {
		return err
	}
	for _, p := range testPods() {
		if nodeName(p.node) != node || p.app == "free" || p.app == "alien" {
			continue
		}
		for i, a := range p.pod().Addrs {
			if s.plan.ipv4 && i == six {
				continue
			}
			if !regexp.MustCompile(`(?m)\b` + regexp.QuoteMeta(a.String()) + `\b.*` + text).
				MatchString(said) {
				return fmt.Errorf("its rules do not name %s of %s", a, p.name)
			}
		}
	}
	return nil
}

// others is the engine on a node.
type others struct {
	cmd   *exec.Cmd
	log   *bytes.Buffer
	ended chan struct{}
}

// gracePeriod is how long a kubelet lets a container end by itself.
const gracePeriod = 30 * time.Second

// start starts the engine on a node, under the node's name.
func (m *moving) start(s *testbed, node string) (*others, error) {
	words := m.engine.command(m, filepath.Join(s.env.dir, m.engine.name),
		filepath.Join(s.dir, "kubeconfig"))
	o := &others{cmd: exec.Command(words[0], append(words[1:], "--hostname-override="+node)...),
		log: &bytes.Buffer{}, ended: make(chan struct{})}
	host, port, _ := strings.Cut(apiserver.Addr, ":")
	o.cmd.Env = append(os.Environ(), "NODE_NAME="+node, "KUBERNETES_SERVICE_HOST="+host,
		"KUBERNETES_SERVICE_PORT="+port)
	o.cmd.Stdout, o.cmd.Stderr = o.log, o.log
	if err := s.StartInNode(node, o.cmd); err != nil {
		return nil, fmt.Errorf("start %s of %s: %w", m.engine.name, node, err)
	}
	go func() {
		_ = o.cmd.Wait()
		close(o.ended)
	}()
	return o, nil
}

func (o *others) alive() bool {
	select {
	case <-o.ended:
		return false
	default:
		return true
	}
}

// end ends it as a kubelet ends the container of a deleted pod.
func (o *others) end() {
	_ = o.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(gracePeriod, func() { _ = o.cmd.Process.Kill() })
	defer kill.Stop()
	<-o.ended
}

// documented returns the commands that deploy/docs/moving.md has for the removal of an engine's
// rules: the first block of code below its name.
func documented(source, engine string) (string, error) {
	text, err := os.ReadFile(filepath.Join(source, "deploy/docs/moving.md"))
	if err != nil {
		return "", err
	}
	_, section, found := strings.Cut(string(text), "\n**"+engine+"**")
	_, section, begins := strings.Cut(section, "\n```\n")
	commands, _, ends := strings.Cut(section, "\n```\n")
	if !found || !begins || !ends {
		return "", fmt.Errorf("deploy/docs/moving.md has no commands for %s", engine)
	}
	return commands, nil
}
