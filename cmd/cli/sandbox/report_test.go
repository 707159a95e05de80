package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

var (
	web = inspect.Port{Protocol: ruleset.TCP, Number: 80}
	dns = inspect.Port{Protocol: ruleset.UDP, Number: 53}
)

// podAtAddrs is a pod with an address of each family, or of one.
func podAtAddrs(name string, addrs string, ports ...inspect.Port) podPlan {
	r := podPlan{Pod: inspect.Pod{Name: name, Node: "node-1"}, ports: ports}
	for text := range strings.FieldsSeq(addrs) {
		r.Addrs = append(r.Addrs, netip.MustParseAddr(text))
	}
	return r
}

// reportOf has an outcome for every trial: as the rules, which allow all, say, but for those given.
func reportOf(given map[string][2]sandbox.Outcome, denied string, pods ...podPlan) *report {
	r := &report{plan: &plan{
		pods: pods, nodes: []sandbox.Node{{Name: "node-1"}},
		objects: policy.Objects{Policies: []*networkingv1.NetworkPolicy{{}, {}}},
	}}
	r.trials = r.plan.trials(func(_, _ inspect.Pod, _ inspect.Port) bool { return true })
	for i, t := range r.trials {
		r.trials[i].before, r.trials[i].after = sandbox.Open, sandbox.Open
		if outcomes, ok := given[t.String()]; ok {
			r.trials[i].before, r.trials[i].after = outcomes[0], outcomes[1]
		}
		r.trials[i].allowed = !strings.Contains(denied, t.String())
	}
	return r
}

// everyMark has a cell for every mark that there is.
func everyMark() *report {
	open, silent, refused := sandbox.Open, sandbox.Silent, sandbox.Refused
	r := reportOf(map[string][2]sandbox.Outcome{
		"a/x -> a/y tcp/80 IPv4": {open, silent},
		"a/x -> a/y tcp/80 IPv6": {open, refused},
		"a/x -> a/y udp/53 IPv4": {open, refused},
		"a/y -> a/x tcp/80 IPv4": {open, silent},
		"a/y -> a/x tcp/80 IPv6": {silent, silent},
		"a/y -> b/z tcp/80 IPv4": {open, sandbox.Stranger},
		"b/z -> a/x tcp/80 IPv4": {silent, open},
		"b/z -> a/y udp/53 IPv4": {silent, silent},
	}, "a/x -> a/y tcp/80 IPv4, a/x -> a/y tcp/80 IPv6, a/x -> a/y udp/53 IPv4, b/z -> a/y "+
		"udp/53 IPv4, a/x -> b/z tcp/80 IPv4",
		podAtAddrs("a/x", "10.0.0.1 fd00::1", web), podAtAddrs("a/y", "10.0.0.2 fd00::2", dns, web),
		podAtAddrs("b/z", "10.0.0.3", web), podAtAddrs("b/six", "fd00::4"))
	r.warnings = []string{"bridge of pods: this", "connections open: that"}
	return r
}

const everyMarkText = `4 pods on 1 node tried to reach each other, without and with 2 policies.

           to  a                        b
               x        y               z
from   on      tcp/80   udp/53  tcp/80  tcp/80
a/x    node-1  ·        4✗ 6✓   ✗       ✓!
a/y    node-1  4✗! 6-!  ·       ·       ?!
b/z    node-1  +        -       ✓       ·
b/six  node-1  ✓        ✓       ✓       n/a

✓ arrives    ✗ denied by the policies (it arrived without them)    + arrives only with the policies    - does not arrive, without policies neither    ? somebody else answers    ! packets and rules disagree, see below    4 6 IPv4 and IPv6 differ    · the pod itself    n/a no address family in common

without policies: 11 of 14 probes arrived
with policies:    7 of 14 arrived, but 4 not as the rules say; 4 were dropped without an answer, 2 were rejected with an answer

The agents warn:
  bridge of pods: this
  connections open: that

Packets and rules disagree. That is an error of Picket, not of the policies; please report it:
  a/x -> b/z tcp/80 IPv4: arrives, though the rules deny it
  a/y -> a/x tcp/80 IPv4: silent, though the rules allow it
  a/y -> a/x tcp/80 IPv6: silent, also without policies, though the rules allow it
  a/y -> b/z tcp/80 IPv4: answered by somebody else
`

func TestReportOfEveryMark(t *testing.T) {
	var out bytes.Buffer
	if err := everyMark().print(&out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everyMarkText, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestReportWithoutDifferences(t *testing.T) {
	var out bytes.Buffer
	if err := reportOf(nil, "", podAtAddrs("a/x", "10.0.0.1", web),
		podAtAddrs("a/long-name", "10.0.0.2", web)).print(&out); err != nil {
		t.Fatal(err)
	}
	const want = `2 pods on 1 node tried to reach each other, without and with 2 policies.

                 to  a
                     x       long-name
from         on      tcp/80  tcp/80
a/x          node-1  ·       ✓
a/long-name  node-1  ✓       ·

✓ arrives    · the pod itself

without policies: 2 of 2 probes arrived
with policies:    2 of 2 arrived, just as the rules say
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// A table that would be too wide becomes several, none of which divides the ports of one pod.
func TestTablesThatFit(t *testing.T) {
	for _, row := range []struct {
		name  string
		pods  int
		ports int
		label string
		want  []int // columns of each table
	}{
		{"just wide enough", 6, 2, "p", []int{12}},
		{"too many columns", 7, 2, "p", []int{12, 2}},
		{"a pod's ports stay together", 4, 5, "p", []int{10, 10}},
		{"more ports than fit", 2, 15, "p", []int{15, 15}},
		{"too wide", 5, 1, strings.Repeat("long", 10), []int{1, 1, 1, 1, 1}},
		{"nobody serves", 2, 0, "p", nil},
	} {
		var pods []podPlan
		for i := range row.pods {
			var ports []inspect.Port
			for port := range row.ports {
				ports = append(ports, inspect.Port{
					Protocol: ruleset.TCP, Number: uint16(port + 1)})
			}
			pods = append(pods, podAtAddrs(fmt.Sprintf("a/%s%d", row.label, i),
				fmt.Sprintf("10.0.0.%d", i+1), ports...))
		}
		var got []int
		for _, part := range reportOf(nil, "", pods...).grid().tables() {
			got = append(got, len(part.columns))
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}
}

// Colours change no column: without them a coloured table is the plain one.
func TestColours(t *testing.T) {
	var coloured, plain strings.Builder
	r := everyMark()
	r.writeTables(&coloured, true)
	r.writeTables(&plain, false)
	text := coloured.String()
	for _, code := range []string{"\x1b[32m", "\x1b[31m", "\x1b[1;33m", "\x1b[0m"} {
		if !strings.Contains(text, code) {
			t.Errorf("no %q", code)
		}
		text = strings.ReplaceAll(text, code, "")
	}
	if diff := cmp.Diff(plain.String(), text); diff != "" {
		t.Error(diff)
	}
}

func TestReportAsJSON(t *testing.T) {
	r := reportOf(map[string][2]sandbox.Outcome{"a/x -> a/y udp/53 IPv6": {sandbox.Open,
		sandbox.Silent}}, "",
		podAtAddrs("a/x", "fd00::1"), podAtAddrs("a/y", "fd00::2", dns))
	got, err := json.MarshalIndent(r.document(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "nodes": [
    "node-1"
  ],
  "pods": [
    "a/x",
    "a/y"
  ],
  "policies": 2,
  "problems": [],
  "probes": [
    {
      "from": "a/x",
      "to": "a/y",
      "family": 6,
      "protocol": "udp",
      "port": 53,
      "before": "open",
      "after": "silent",
      "allowed": true,
      "differs": true
    }
  ],
  "before": 1,
  "after": 0,
  "differences": 1
}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestManyDisagreements(t *testing.T) {
	var pods []podPlan
	for i := range 6 {
		pods = append(pods, podAtAddrs(fmt.Sprintf("a/%d", i), fmt.Sprintf("10.0.0.%d", i+1), web))
	}
	r := reportOf(nil, "", pods...)
	for i := range r.trials {
		r.trials[i].allowed = false
	}
	lines := r.disagreements()
	if len(lines) != 21 || lines[20] != "and 10 more" {
		t.Errorf("%q", lines)
	}
}
