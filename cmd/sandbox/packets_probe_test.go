package sandbox_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

var (
	quick = speed.Wait(100 * time.Millisecond) // for a probe that must not arrive
	long  = speed.Limit(2 * time.Second)       // for one that must
)

// question is a flow, who sends it and who must answer, and whether it may pass.
type question struct {
	flow     oracle.Flow
	from, to string // pods of the sandbox; an empty to takes anybody's answer
	allow    bool
	at       string // where a scene asks
}

// verdict is what should become of it, in a word.
func (q question) verdict() string {
	if q.allow {
		return "allowed"
	}
	return "denied"
}

func (q question) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s > %s (%s), %s", q.at, q.from, q.to, q.flow,
		q.verdict()))
}

// probe is the question as the engine puts it.
func (q question) probe() sandbox.Probe {
	return sandbox.Probe{From: q.from, To: q.to, Addr: q.flow.To,
		Protocol: engineProtocol(q.flow.Protocol), Port: uint16(q.flow.Port)}
}

func engineProtocol(p corev1.Protocol) sandbox.Protocol {
	return map[corev1.Protocol]sandbox.Protocol{corev1.ProtocolTCP: sandbox.TCP,
		corev1.ProtocolUDP: sandbox.UDP, corev1.ProtocolSCTP: sandbox.SCTP}[p]
}

// ask puts the questions and returns what was answered wrongly. What must not pass and did counts
// at once, what should pass and was silent only after a second and longer try. Denied is what gives
// no answer, or is refused where the nodes refuse.
func (r *rig) ask(questions []question) (wrong []string) {
	r.t.Helper()
	r.serve(questions)
	r.forgetConnections()
	denied := sandbox.Silent
	timeout := quick
	if r.agents["n1"].options.denial == ruleset.Reject {
		denied, timeout = sandbox.Refused, long
	}
	var again []question
	for i, got := range r.answers(questions, timeout) {
		switch q := questions[i]; {
		case q.allow && got == sandbox.Open, !q.allow && got == denied:
		case q.allow && got == sandbox.Silent:
			again = append(again, q)
		default:
			wrong = append(wrong, fmt.Sprintf("%s: %s", q, got))
		}
	}
	for i, got := range r.answers(again, long) {
		if got != sandbox.Open {
			wrong = append(wrong, fmt.Sprintf("%s: %s", again[i], got))
		}
	}
	return wrong
}

// answers are the outcomes of questions, in their order.
func (r *rig) answers(questions []question, timeout time.Duration) []sandbox.Outcome {
	r.t.Helper()
	outcomes := make([]sandbox.Outcome, len(questions))
	var probes []sandbox.Probe
	var places []int
	var pings sync.WaitGroup
	for i, q := range questions {
		if q.flow.Protocol == "" {
			pings.Go(func() { outcomes[i] = r.ping(q.from, q.flow.To, timeout) })
			continue
		}
		probes, places = append(probes, q.probe()), append(places, i)
	}
	for i, got := range r.run(timeout, probes) {
		outcomes[places[i]] = got
	}
	pings.Wait()
	return outcomes
}

// serve makes everybody who is asked answer.
func (r *rig) serve(questions []question) {
	r.t.Helper()
	for _, q := range questions {
		if p := q.probe(); q.to != "" && q.flow.Protocol != "" {
			r.must(r.Serve(q.to, p.Protocol, p.Port))
		}
	}
}

// forgetConnections lets every packet be a connection's first: a pod may have the address of one
// before it.
func (r *rig) forgetConnections() {
	r.t.Helper()
	for node := range r.agents {
		r.must(r.InNode(node, func() error {
			return netlink.ConntrackTableFlush(
				netlink.ConntrackTable)
		}))
	}
}

// expect asks and fails with all that helps to understand what went wrong.
func (r *rig) expect(w *oracle.World, questions []question) {
	r.t.Helper()
	if wrong := r.ask(questions); len(wrong) > 0 {
		r.t.Errorf("%d of %d answers are wrong:\n  %s\n%s\n%s", len(wrong), len(questions),
			strings.Join(wrong[:min(len(wrong), 10)], "\n  "), w, r.tables())
	}
}

// tables is what the nodes' kernels hold.
func (r *rig) tables() string {
	var b strings.Builder
	for _, node := range []string{"n1", "n2", "n3"} {
		fmt.Fprintf(&b, "%s: %s\n", node, r.table(node))
	}
	return b.String()
}

func (r *rig) table(node string) string { return r.list(node, "table", "inet", "picket") }

// list is what the nft program says of something on a node, without counters, if it can. With iptables
// it is all that there is.
func (r *rig) list(node string, what ...string) string {
	if !onIPTables() {
		return r.output(node, append([]string{"nft", "--stateless", "list"}, what...)...)
	}
	return r.output(node, "iptables-legacy-save", "-t", "mangle") +
		r.output(node, "ip6tables-legacy-save", "-t", "mangle") + r.output(node, "ipset", "save")
}

// output is what a program prints on a node.
func (r *rig) output(node string, words ...string) string {
	var text bytes.Buffer
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := r.StartInNode(node, cmd); err != nil {
		return err.Error()
	}
	_ = cmd.Wait() // its text says what
	return text.String()
}

// hostFacts returns what only the host knows, as a kernel holds it.
func hostFacts(have ruleset.Observed) (links []ruleset.Link, tunnels []ruleset.Tunnel) {
	for _, name := range have.Links {
		l := ruleset.Link{Name: name}
		for _, f := range ruleset.Families {
			for _, m := range have.Sets[ruleset.Behind(f)] {
				if m.Link == name {
					l.Addrs = append(l.Addrs, m.Addr)
				}
			}
		}
		links = append(links, l)
	}
	for _, m := range have.Sets[ruleset.TunnelPorts()] {
		tunnels = append(tunnels, ruleset.Tunnel{Proto: m.Proto, Port: m.Port})
	}
	return links, tunnels
}

// agree demands that each kernel holds what a compiler makes of the whole world: nothing may be
// lost or left behind by the way that led there. What was isolated stays so until the kernel has
// let go of its address.
func (r *rig) agree(w *oracle.World) {
	r.t.Helper()
	for node, a := range r.agents {
		var left ruleset.Delta
		held := poll(func() bool {
			left = r.leftToDo(w, a)
			return left.Empty()
		})
		if !held {
			r.t.Errorf("node %s: the kernel does not hold what was compiled; missing is\n%s\n%s",
				node, left.String(), r.table(node))
		}
	}
}

// leftToDo is what a node's kernel lacks of what is compiled.
func (r *rig) leftToDo(w *oracle.World, a *agent) ruleset.Delta {
	r.t.Helper()
	s := compile.SnapshotOf(policy.Objects(*w), a.node)
	s.Denial, s.Strict, s.Form = a.options.denial, a.options.strict, a.tap.Form()
	have, err := a.tap.look(r.t.Context())
	r.must(err)
	s.Links, s.TunnelPorts = hostFacts(have)
	want, _ := compile.Compile(s)
	return ruleset.Diff(have, want)
}
