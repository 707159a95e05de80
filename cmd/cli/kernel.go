package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/ruleset"
)

// kernelOptions are the flags of kernel. node is that whose pods are listed; empty: all.
type kernelOptions struct {
	askOptions
	all  bool
	node string
}

// newNodeKernelCmd is the verb as the program of nodes has it, which asks the agent of its node.
func newNodeKernelCmd() *cobra.Command {
	var o kernelOptions
	cmd := &cobra.Command{
		Use:   "kernel [POD]",
		Short: "Show what this node's kernel holds for a pod, and whether that is right",
		Long: `Show the rules of a pod in the kernel of this node, who is meant by them, which policies they come
from, and how many packets they have denied; and compare them with what the agent wants. Without POD
the isolated pods of the node are listed. Run it as root on the node, or in the agent's pod:

  kubectl exec -n kube-system PICKET-POD -- /picket kernel shop/backend
` + aboutNft + `
The exit code is 0 if the kernel holds what it should, 1 if it does not, 2 after an error.`,
		Example: `  picket kernel
  picket kernel shop/backend
  picket kernel shop/backend -o nft
  picket kernel --all -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.here(cmd, args) },
	}
	o.bindFormats(cmd, usualFormats(nftFormats()...)...)
	cmd.Flags().BoolVar(&o.all, "all", false, "the rules of all isolated pods of the node")
	cmd.Flags().StringVarP(&o.Namespace, "namespace", "n", "", "namespace of a POD without one")
	return cmd
}

// here asks the agent of this node, about one pod if args name one, and prints its answer.
func (o *kernelOptions) here(cmd *cobra.Command, args []string) error {
	if err := o.Validate(); err != nil {
		return err
	}
	var pods []string
	if len(args) > 0 {
		pod, err := keyOf(args[0], cmp.Or(o.Namespace, "default"))
		if err != nil {
			return err
		}
		pods = []string{pod.String()}
	}
	state, err := agent.Here(versionText()).State(cmd.Context())
	if err != nil {
		return err
	}
	return o.answerOf(cmd, state, pods)
}

// answer prints what one node's kernel holds.
func (o *kernelOptions) answer(cmd *cobra.Command, r kernelReport, full bool) error {
	err := o.print(cmd.OutOrStdout(), "Kernel", r, func(p *page) { p.kernel(r, o.all || full) })
	if err == nil && !r.Right {
		return exit.Code(1)
	}
	return err
}

// newKernelReport compares the kernel of a node with what it should hold; without pods for all that
// are isolated there.
func newKernelReport(state *agent.State, pods []string) kernelReport {
	if len(pods) == 0 {
		pods = state.Pods()
	}
	report := kernelReport{Node: state.Node, Agent: state.Version, Pods: []agent.PodRules{}}
	// Pods that nobody isolates have no rules, which is an answer as well.
	for _, pod := range pods {
		report.Pods = append(report.Pods, state.PodRules(pod))
	}
	// What is not of a pod, such as the chains that every packet meets, counts for all of them.
	d := state.Differences()
	report.Right = d.Empty()
	report.Missing = state.DifferenceLines(mostMissing)
	return report
}

// mostMissing is how many lines of a difference are kept: a lost table is a whole program.
const mostMissing = 10_000

// kernelReport is the answer of kernel.
type kernelReport struct {
	Node    string           `json:"node"`
	Agent   string           `json:"agent"` // its version
	Right   bool             `json:"right"` // the kernel holds all that it should
	Missing []string         `json:"missing,omitempty"`
	Pods    []agent.PodRules `json:"pods"`
}

// kernel writes the rules of pods, or a line for each pod.
func (p *page) kernel(r kernelReport, full bool) {
	if full {
		for i, pod := range r.Pods {
			if i > 0 {
				p.WriteString("\n")
			}
			p.podRules(pod)
		}
	} else {
		p.podList(r)
	}
	p.missing(r)
}

// podList writes a line for each pod that is isolated.
func (p *page) podList(r kernelReport) {
	if len(r.Pods) == 0 {
		p.line("  ", "no policy isolates a pod of %s", r.Node)
		return
	}
	t := terminal.Table{Header: []string{"POD", "INGRESS", "EGRESS", "DENIED", "ISOLATED BY"},
		Right: []bool{false, false, false, true}}
	for _, pod := range r.Pods {
		words := map[ruleset.Direction]string{ruleset.Ingress: "free", ruleset.Egress: "free"}
		denied, by := uint64(0), []string{}
		for _, d := range pod.Directions {
			words[d.Direction] = isolationWord(d)
			denied += d.Denied
			by = append(by, d.IsolatedBy...)
			for _, name := range d.AuditedBy {
				by = append(by, name+" (audited)")
			}
		}
		slices.Sort(by)
		t.Rows = append(t.Rows, []string{pod.Pod, words[ruleset.Ingress], words[ruleset.Egress],
			fmt.Sprint(denied), p.few(withoutNamespace(slices.Compact(by), pod.Pod), 3)})
	}
	p.table(t)
}

// isolationWord says what becomes of the packets that no rule allows.
func isolationWord(d agent.Rules) string {
	if d.End == ruleset.EndAudit {
		return "audited"
	}
	return "isolated"
}

// withoutNamespace leaves out the namespace of policies, which is that of their pod.
func withoutNamespace(policies []string, pod string) []string {
	namespace, _, _ := strings.Cut(pod, "/")
	names := make([]string, len(policies))
	for i, name := range policies {
		names[i] = strings.TrimPrefix(name, namespace+"/")
	}
	return names
}

// podRules writes all that the kernel does with the packets of one pod.
func (p *page) podRules(pod agent.PodRules) {
	// Nothing was compared, so nothing is as it should be: the name can be of no pod at all.
	if len(pod.Directions) == 0 {
		p.line("  ", "%s  on %s: no rules: no policy isolates it, or it is no pod of this node", pod.Pod,
			pod.Node)
		return
	}
	addrs := make([]string, len(pod.Addrs))
	for i, a := range pod.Addrs {
		addrs[i] = a.String()
	}
	right := p.Paint(terminal.Good, "as it should be")
	if len(pod.Differs) > 0 {
		right = p.Paint(terminal.Bad, "not as it should be")
	}
	p.line("  ", "%s  %s  on %s: %s", pod.Pod, strings.Join(addrs, " "), pod.Node, right)
	for _, line := range pod.Differs {
		p.line("    ", "  ! %s", line)
	}
	for _, d := range pod.Directions {
		by := withoutNamespace(slices.Concat(d.IsolatedBy, d.AuditedBy), pod.Pod)
		p.line("  ", "\n%s  %s by %s", strings.ToUpper(d.Direction.String()), isolationWord(d),
			strings.Join(by, ", "))
		t := terminal.Table{Header: []string{"  VERDICT", "PORT", "BY", peerWord(d.Direction)}}
		for _, row := range d.Rows {
			by := strings.ReplaceAll(row.By, " "+d.Direction.String()+"[", "[")
			t.Rows = append(t.Rows, []string{"  " + row.Verdict, row.Port,
				p.few(strings.Split(by, ", "), 1), peerText(row)})
		}
		t.Rows = append(t.Rows, []string{"  " + d.End.String(), "any", "-",
			"everybody else: " + inspect.Count(int(d.Denied+d.Audited), "packet")})
		p.table(t)
	}
}

// peerText is who is meant by a rule, and how many addresses that is now.
func peerText(row agent.Row) string {
	switch row.Addresses {
	case 0:
		return row.Peer
	case 1:
		return row.Peer + ": 1 address"
	default:
		return fmt.Sprintf("%s: %d addresses", row.Peer, row.Addresses)
	}
}

// peerWord heads the column of the other ends.
func peerWord(d ruleset.Direction) string {
	if d == ruleset.Egress {
		return "TO"
	}
	return "FROM"
}

// shownMissing is how many lines of a difference are shown where not everything is asked for.
const shownMissing = 10

// missing writes what would have to change in the kernel.
func (p *page) missing(r kernelReport) {
	if r.Right {
		return
	}
	p.line("  ", "\n%s of %s: the agent repairs it, or says in /readyz why it cannot",
		p.Paint(terminal.Bad, "The kernel does not hold what it should"), r.Node)
	for i, line := range r.Missing {
		if i == shownMissing && !p.wide {
			p.line("    ", "  %d more: -o wide", len(r.Missing)-i)
			break
		}
		p.line("    ", "  %s", line)
	}
}
