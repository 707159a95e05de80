package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/picket-project/picket/cmd/cli/sandbox"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/conntrack"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/nft/iptables"
	"github.com/picket-project/picket/ruleset"
)

// lookAtNode looks at this node, in the calling thread's network namespace.
func lookAtNode(ctx context.Context, packets bool) ([]looked, error) {
	if os.Geteuid() != 0 {
		return nil, errOnNode
	}
	// The order is that in which one thing rests on another.
	parts := lookAtKernel(ctx, nft.Probe)
	parts = append(parts, lookAtBridges()...)
	parts = append(parts, lookAtProxy(ctx, proxyURL), lookAtAgent(ctx))
	parts = append(parts, lookAtOthers(ctx)...)
	parts = append(parts, lookAtFlowtables(ctx), lookAtConnections(ctx))
	// Packets come last: they fail where anything above is wrong, and say less why.
	if packets {
		parts = append(parts, lookAtPackets(ctx, sandbox.BridgeSettings, "/proc/self/exe"))
	}
	return parts, nil
}

// lookAtKernel says what the kernel can do for the rules.
func lookAtKernel(ctx context.Context, probe nft.Prober) []looked {
	kernel := "kernel " + kernelRelease()
	features, err := probe(0)
	switch {
	// What the agent would do then is said, as it is found out in the same way.
	case errors.Is(err, nft.ErrNoNfTables):
		other := iptables.Open(iptables.Options{})
		if _, lack := other.Probe(ctx); lack != nil {
			return []looked{{kernel, amiss, joined(err) + "; iptables does not do either: " + joined(lack)}}
		}
		instead := looked{kernel, warned, joined(err) + "; iptables and ipset will hold the rules"}
		list, _ := other.Features() // what is not there is in the list, and no error
		return append([]looked{instead}, lackedBy(kernel, list)...)
	case err != nil:
		return []looked{{kernel, unclear, joined(err)}}
	}
	// What the kernel lacks is done otherwise, so that nothing of it is wrong.
	holds := looked{kernel, fine, "it has nf_tables, which will hold the rules"}
	return append([]looked{holds}, lackedBy(kernel, features.List())...)
}

// lackedBy warns of each feature that is not there.
func lackedBy(kernel string, list []ruleset.Feature) (parts []looked) {
	for _, f := range list {
		if !f.Here {
			parts = append(parts, looked{kernel, warned, f.Lack()})
		}
	}
	return parts
}

// lookAtBridges says whether what pods of one bridge say to each other can be filtered.
func lookAtBridges() (parts []looked) {
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
		value, err := os.ReadFile(sandbox.BridgeSettings + "/" + name)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return []looked{{"br_netfilter", amiss, "the kernel module is not loaded: pods of one bridge " +
				"pass unseen; load it: modprobe br_netfilter, and name it in /etc/modules-load.d"}}
		case err != nil:
			parts = append(parts, looked{"br_netfilter", unclear, err.Error()})
		case strings.TrimSpace(string(value)) != "1":
			parts = append(parts, looked{"br_netfilter", amiss, "net.bridge." + name + " is 0: pods of " +
				"one bridge pass unseen; run: sysctl -w net.bridge." + name + "=1"})
		}
	}
	if len(parts) == 0 {
		parts = []looked{{"br_netfilter", fine, "packets between pods of one bridge can be filtered"}}
	}
	return parts
}

// proxyModes are those that kube-proxy has on Linux.
var proxyModes = []string{"iptables", "ipvs", "nftables"}

// proxyURL is where kube-proxy says how it works.
const proxyURL = "http://127.0.0.1:10249/proxyMode"

// lookAtProxy says how kube-proxy works. Each of its modes on Linux does.
func lookAtProxy(ctx context.Context, url string) looked {
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	none := looked{"kube-proxy", fine, "none answers at 127.0.0.1:10249; Picket needs none"}
	// A node can do without kube-proxy, and one can listen elsewhere: silence is nothing wrong.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return none
	}
	// Whoever listens there must not send this program, which runs as root, elsewhere.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return none
	}
	defer response.Body.Close()
	// Whatever listens there, little of it is read.
	text, err := io.ReadAll(io.LimitReader(response.Body, 64))
	mode := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return none
	case response.StatusCode == http.StatusOK && slices.Contains(proxyModes, mode):
		return looked{"kube-proxy", fine, "mode " + mode}
	}
	return looked{"kube-proxy", warned, fmt.Sprintf("127.0.0.1:10249 answers %d, %q; expected a mode of "+
		"kube-proxy: %s", response.StatusCode, mode, orList(proxyModes))}
}

// lookAtAgent says whether an agent runs here already.
func lookAtAgent(ctx context.Context) looked {
	status, err := agent.Here(versionText()).Status(ctx, "")
	// Before the installation nobody listens, which is nothing wrong.
	if errors.Is(err, syscall.ECONNREFUSED) {
		return looked{"agent", fine, "none runs here so far"}
	}
	if err != nil {
		return looked{"agent", unclear, joined(err)}
	}
	return looked{"agent", fine, fmt.Sprintf("version %s runs here: picket status node/%s",
		status.Version, status.Node)}
}

// lookAtOthers says which other programs enforce policies here.
func lookAtOthers(ctx context.Context) (parts []looked) {
	// 0 is the network namespace of this thread, which is the node's.
	found, lacks := otherEngines(ctx, 0)
	// Two that decide are one too many: what one lets through the other may deny.
	for _, other := range found {
		parts = append(parts, looked{"others", amiss, other + " enforces policies here, too: what either " +
			"denies is denied; remove it, and what it left behind"})
	}
	for _, lack := range lacks {
		parts = append(parts, looked{"others", unclear, lack})
	}
	if len(parts) == 0 {
		parts = []looked{{"others", fine, "no sign of kube-router, kube-network-policies, Calico, Cilium " +
			"or others"}}
	}
	return parts
}

// lookAtFlowtables says which connections pass by all rules.
func lookAtFlowtables(ctx context.Context) looked {
	// It only looks, and leaves no lock and no table behind.
	b := nft.Open(nft.Options{Look: true})
	defer b.Close()
	names, err := b.Flowtables(ctx)
	switch {
	case err != nil:
		return looked{"flowtables", unclear, joined(err)}
	case len(names) > 0:
		return looked{"flowtables", warned, strings.Join(names, ", ") + ": packets of the connections in " +
			"it pass by all rules; what is no longer allowed is taken out of it"}
	}
	return looked{"flowtables", fine, "none: every packet meets the rules"}
}

// lookAtConnections says whether those can be cut that are open when a policy comes.
func lookAtConnections(ctx context.Context) looked {
	part, open := "connections", 0
	table, err := conntrack.Open()
	if err == nil {
		defer table.Close()
		err = table.Each(ctx, func(ruleset.Connection) { open++ })
	}
	if err != nil {
		return looked{part, warned, joined(err) + ": what a new policy forbids goes on until it ends; " +
			"Picket needs the kernel module nf_conntrack_netlink to cut it"}
	}
	return looked{part, fine, fmt.Sprintf("the kernel lists those that are open (%d now)", open)}
}

// throwAway is a pod with a port, one that may connect, and one that may not.
const throwAway = `apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: server, namespace: check, labels: {app: server}}
  spec: {nodeName: node, containers: [{name: c, image: none, ports: [{containerPort: 80}]}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: friend, namespace: check, labels: {app: friend}}
  spec: {nodeName: node, containers: [{name: c, image: none, ports: [{containerPort: 81}]}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: stranger, namespace: check, labels: {app: stranger}}
  spec: {nodeName: node, containers: [{name: c, image: none, ports: [{containerPort: 82}]}]}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: server, namespace: check}
  spec:
    podSelector: {matchLabels: {app: server}}
    ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]
`

// lookAtPackets has the verb sandbox try a policy on packets between pods of a bridge that exists
// for that only. The verb would load br_netfilter, which changes what passes the firewall of this
// node.
func lookAtPackets(ctx context.Context, settings, program string) looked {
	if _, err := os.Stat(settings); err != nil {
		return looked{"packets", unclear, "none were sent: br_netfilter is not loaded"}
	}
	var out, problem bytes.Buffer
	// The verb makes namespaces of its own, so that nothing of this node is touched.
	cmd := exec.CommandContext(ctx, program, "sandbox", "run", "-f", "-", "-o", "json")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(throwAway), &out, &problem
	err := cmd.Run()
	// It exits with 1 where packets differ from the policy, which the document says better.
	var said sandbox.Document
	if json.Unmarshal(out.Bytes(), &said) != nil || len(said.Probes) == 0 {
		return looked{"packets", unclear, fmt.Sprintf("none could be sent: %s (%v)",
			strings.TrimSpace(problem.String()), err)}
	}
	return packetsAsSaid(said)
}

// packetsAsSaid says whether packets did what the policy says.
func packetsAsSaid(said sandbox.Document) looked {
	switch {
	// Without that nothing follows from what is denied later.
	case said.Before != len(said.Probes):
		return looked{"packets", amiss, fmt.Sprintf("of %d between pods of one bridge %d arrived without "+
			"any policy", len(said.Probes), said.Before)}
	case said.Differences > 0:
		return looked{"packets", amiss, fmt.Sprintf("%d of %d between pods of one bridge did otherwise "+
			"than the policy says; see picket sandbox run", said.Differences, len(said.Probes))}
	// The rules agree with the packets, and neither denies: the policy was not read.
	case said.After == said.Before:
		return looked{"packets", amiss, "the policy denied nothing"}
	}
	return looked{"packets", fine, fmt.Sprintf("all %d between pods of one bridge arrived, and with a "+
		"policy the %d that it allows", said.Before, said.After)}
}
