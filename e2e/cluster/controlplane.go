package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// serverURL is where the API server listens, for all hosts.
var serverURL = "https://" + net.JoinHostPort(control.ip4(), "6443")

// startControlPlane runs etcd and the API server on the control host and, when that answers, who speaks to it: before
// it has written its roles, they are refused and give up.
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
	err = poll(ctx, time.Minute, func() error {
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

type program struct {
	name, path string
	args       []string
}

func servers(h home, v variant) []program {
	return []program{
		{"etcd", "etcd", []string{"--data-dir=" + h.run("etcd"), "--unsafe-no-fsync"}},
		{"apiserver", h.bin("kube-apiserver"), []string{
			"--etcd-servers=http://127.0.0.1:2379", "--advertise-address=" + v.first(control.ip4(), control.ip6()), "--bind-address=::", "--secure-port=6443",
			"--tls-cert-file=" + h.pki("apiserver.crt"), "--tls-private-key-file=" + h.pki("apiserver.key"), "--client-ca-file=" + h.pki("ca.crt"),
			"--token-auth-file=" + h.pki("tokens.csv"), "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + h.pki("sa.key"),
			"--service-account-signing-key-file=" + h.pki("sa.key"), "--service-cluster-ip-range=" + v.serviceRanges(),
			"--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP",
		}},
	}
}

func controllers(h home, v variant) []program {
	login := func(user string) []string {
		file := h.kubeconfig(user)
		return []string{"--kubeconfig=" + file, "--authentication-kubeconfig=" + file, "--authorization-kubeconfig=" + file, "--leader-elect=false"}
	}
	return []program{
		{"controller-manager", h.bin("kube-controller-manager"), append(login("controller-manager"),
			"--allocate-node-cidrs=true", "--cluster-cidr="+v.podRanges(), "--service-cluster-ip-range="+v.serviceRanges(),
			"--root-ca-file="+h.pki("ca.crt"), "--service-account-private-key-file="+h.pki("sa.key"), "--use-service-account-credentials=true")},
		{"scheduler", h.bin("kube-scheduler"), login("scheduler")},
	}
}

// newClient is the administrator's, from outside of the hosts.
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

// waitNodes waits until every node says that it is ready.
func waitNodes(ctx context.Context, h home, v variant) error {
	client, err := newClient(h)
	if err != nil {
		return err
	}
	return poll(ctx, 3*time.Minute, func() error {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if ready := countReady(nodes.Items); ready < v.Nodes {
			return fmt.Errorf("%d of %d nodes are ready", ready, v.Nodes)
		}
		return nil
	})
}

func countReady(nodes []corev1.Node) (ready int) {
	for _, n := range nodes {
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	return ready
}

// poll asks until there is no error.
func poll(ctx context.Context, within time.Duration, ask func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := ask()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("not within %s: %w", within, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
