package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/picket-project/picket/ruleset/pace"
)

// serverURL is where the API server listens, for all hosts.
var serverURL = "https://" + net.JoinHostPort(control.ip4(), "6443")

// startControlPlane runs etcd and the API server on the control host and, when that is ready, the
// controller manager and the scheduler: before it has written its roles, they are refused and end.
func startControlPlane(ctx context.Context, h home, s *state) error {
	if err := os.MkdirAll(h.run("etcd"), 0o700); err != nil {
		return err
	}
	if err := startPrograms(h, s, servers(h, s.Variant)); err != nil {
		return err
	}
	client, err := newClient(h)
	if err != nil {
		return err
	}
	err = poll(ctx, pace.Measure().Limit(time.Minute), func() error {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return startPrograms(h, s, controllers(h, s.Variant))
}

func startPrograms(h home, s *state, programs []program) error {
	for _, p := range programs {
		if err := h.start(s, control, p.name, exec.Command(p.path, p.args...)); err != nil {
			return err
		}
	}
	return nil
}

// program is one that a host runs.
type program struct {
	name, path string
	args       []string
}

func servers(h home, v variant) []program {
	return []program{
		{"etcd", h.bin("etcd"), []string{"--data-dir=" + h.run("etcd"), "--unsafe-no-fsync"}},
		{"apiserver", h.bin("kube-apiserver"), []string{
			"--etcd-servers=http://127.0.0.1:2379", "--bind-address=::", "--secure-port=6443",
			"--advertise-address=" + v.first(control.ip4(), control.ip6()),
			"--tls-cert-file=" + h.pki("apiserver.crt"),
			"--tls-private-key-file=" + h.pki("apiserver.key"),
			"--client-ca-file=" + h.pki("ca.crt"),
			"--token-auth-file=" + h.pki("tokens.csv"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + h.pki("sa.key"),
			"--service-account-signing-key-file=" + h.pki("sa.key"),
			"--service-cluster-ip-range=" + v.serviceRanges(),
			"--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP",
			// clusters keep policies with CIDRs that only older API servers took: so must this one
			"--feature-gates=StrictIPCIDRValidation=false",
		}},
	}
}

func controllers(h home, v variant) []program {
	login := func(user string) []string {
		file := h.kubeconfig(user)
		return []string{
			"--kubeconfig=" + file, "--authentication-kubeconfig=" + file,
			"--authorization-kubeconfig=" + file, "--leader-elect=false",
		}
	}
	return []program{
		{"controller-manager", h.bin("kube-controller-manager"), append(login("controller-manager"),
			"--allocate-node-cidrs=true", "--cluster-cidr="+v.podRanges(),
			"--service-cluster-ip-range="+v.serviceRanges(), "--root-ca-file="+h.pki("ca.crt"),
			"--service-account-private-key-file="+h.pki("sa.key"),
			"--use-service-account-credentials=true")},
		{"scheduler", h.bin("kube-scheduler"), login("scheduler")},
	}
}

// newClient returns a client with the administrator's rights that works from outside of the hosts.
func newClient(h home) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", h.kubeconfig("admin"))
	if err != nil {
		return nil, err
	}
	config.Dial = func(_ context.Context, network, address string) (conn net.Conn, err error) {
		err = inNetns(control, func() error {
			conn, err = net.DialTimeout(network, address, 5*time.Second)
			return err
		})
		return conn, err
	}
	return kubernetes.NewForConfig(config)
}

// waitNodes waits until all nodes are ready, for as long as all programs run.
func waitNodes(ctx context.Context, h home, s *state) error {
	client, err := newClient(h)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	return poll(ctx, pace.Measure().Limit(3*time.Minute), func() error {
		if err := ended(h, s); err != nil {
			stop(err)
			return err
		}
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		return missing(nodes.Items, s.Variant)
	})
}

// ended returns the log of a program that has ended, as an error.
func ended(h home, s *state) error {
	for _, p := range s.Processes {
		if !p.alive() {
			log, _ := os.ReadFile(h.log(p.Name))
			return fmt.Errorf("%s has ended: %s", p.Name, log[max(0, len(log)-1000):])
		}
	}
	return nil
}

// missing says which nodes are not there or not ready, and why.
func missing(have []corev1.Node, v variant) error {
	var errs []error
	for _, want := range v.nodes() {
		i := slices.IndexFunc(have, func(n corev1.Node) bool { return n.Name == want.Name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%s: the kubelet has not registered it", want.Name))
			continue
		}
		errs = append(errs, notReady(have[i]))
	}
	return errors.Join(errs...)
}

// notReady returns the kubelet's reason, or nil where the node is ready.
func notReady(n corev1.Node) error {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return fmt.Errorf("%s: %s: %s", n.Name, c.Reason, c.Message)
		}
		if c.Type == corev1.NodeReady {
			return nil
		}
	}
	return fmt.Errorf("%s: no condition Ready", n.Name)
}

// poll calls ask until it returns no error, the time is over or ctx ends.
func poll(ctx context.Context, within time.Duration, ask func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := ask()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Now().After(deadline):
			return fmt.Errorf("not within %s: %w", within, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
