package smoke

import (
	"slices"
	"testing"
)

// TestCluster is one story on one cluster: Picket is installed, used, upgraded and removed.
func TestCluster(t *testing.T) {
	must(t, "apply", "-f", shipped(t, "picket.yaml"))
	must(t, "rollout", "status", "-n", "kube-system", "daemonset/picket", "--timeout=90s")
	must(t, "apply", "-f", "testdata/pods.yaml")
	for _, namespace := range []string{"shop", "infra", "other"} {
		must(t, "wait", "-n", namespace, "--for=condition=Ready", "pod", "--all", "--timeout=60s")
	}
	s := newStory(t)
	for _, chapter := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"without policies all is open", s.open},
		{"kubelets reach their pods from the moment that all is denied", s.kubelets},
		{"the policies everyone starts with", s.policies},
		{"answers from the agents", s.answers},
		{"labels of a pod and of a namespace", s.labels},
		{"pods come and go", s.churn},
		{"node ports", s.nodePorts},
		{"a bad policy", s.bad},
		{"a policy is deleted", s.policyDeleted},
		{"all agents are deleted under load", s.agentsDeleted},
		{"pods start with what is forbidden", s.starts},
		{"a rolling update under load", s.rollingUpdate},
		{"removal under load", s.removed},
		{"cleanup", s.cleanup},
		{"installed by the chart and removed", s.chart},
		{"in the DaemonSet of flannel and removed", s.netpol},
	} {
		if !t.Run(chapter.name, chapter.run) {
			t.Fatal(must(t, "get", "pods", "-A", "-o", "wide"))
		}
	}
}

// story is what the chapters share: where things can be asked.
type story struct {
	web   []place // what the policies open to clients
	other []place // what they open to nobody
	ports []place // node ports of the web server
	dns   []place
}

func newStory(t *testing.T) *story {
	t.Helper()
	return &story{
		web: []place{pod(t, "shop", "web", "tcp", "8080"), pod(t, "shop", "web", "udp", "5353"),
			service(t, "shop", "web", "tcp", "80"), service(t, "shop", "web", "udp", "53")},
		other: []place{pod(t, "shop", "web", "tcp", "9090")},
		ports: []place{nodePort(t, "n1", "30080"), nodePort(t, "n2", "30080")},
		dns: []place{service(t, "infra", "dns", "udp", "53"), service(t, "infra", "dns", "tcp",
			"53")},
	}
}

func (s *story) all() []place { return slices.Concat(s.web, s.other, s.dns) }

// open is who reaches what without policies: all, everything.
func (s *story) open(t *testing.T) {
	want, all := reach{}, append(s.all(), s.ports...)
	for _, from := range []string{"shop/near", "shop/far", "shop/stranger-near",
		"shop/stranger-far", "other/guest"} {
		want[from] = names(all...)
	}
	want.comesTrue(t, all...)
}

// under is who reaches what under the policies that everyone starts with.
func (s *story) under() reach {
	dns := names(s.dns...)
	client := append(names(s.web...), dns...)
	return reach{
		"shop/near": client, "shop/far": client, "shop/web": append(dns, "web tcp/9090",
			"web tcp/8080", "web udp/5353", "service web tcp/80", "service web udp/53"),
		"shop/stranger-near": dns, "shop/stranger-far": dns, "other/guest": dns,
	}
}
