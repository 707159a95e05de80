package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/why"
)

// whyOptions are the flags of why.
type whyOptions struct {
	askOptions
	noKernel bool
}

// newWhyCmd is the verb that explains a verdict.
func newWhyCmd() *cobra.Command {
	var o whyOptions
	cmd := &cobra.Command{
		Use:   "why FROM TO:PORT[/PROTOCOL]",
		Short: "Say whether one pod reaches another, and which policy decides it",
		Long: `Say whether FROM reaches TO, which policies isolate either end, and which rule allows it.
Where none does: which rule comes nearest, and what it lacks. Every IP family that both ends have
must be allowed.

FROM and TO are a pod (shop/web-1), a workload (shop/deploy/web, shop/web), a Service
(shop/svc/web), a node (node/node-1), an address, or internet. A name without a namespace is in
that of -n. The port is a number or a name, the protocol tcp unless it is said: dns:53/udp, web/icmp.

  -o wide    every rule of every policy that isolates, not the nearest alone
  -o patch   the smallest policies that would allow it, for kubectl apply -f -

Where a cluster is asked, the agents of the nodes that decide are, too: what their kernels do, and
whether that is what the policies say.

The exit code is 0 if it is allowed, 1 if it is denied, at least for some of the pods, or if a
kernel does otherwise than the policies say, 2 after an error.`,
		Example: `  picket why -f deploy/demo shop/stranger shop/backend:8080
  picket why shop/deploy/web kube-system/svc/kube-dns:53/udp
  picket why internet shop/svc/web:https -o json
  picket why shop/report shop/db:5432 -o patch | kubectl apply -f -`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runWhy(cmd, &o, args)
		},
	}
	o.answerOptions.bind(cmd, "patch")
	o.reach.bind(cmd)
	cmd.Flags().BoolVar(&o.noKernel, "no-kernel", false, "do not ask the agents what their kernels do")
	cmd.ValidArgsFunction = o.completeEnds(2)
	return cmd
}

// runWhy explains the verdict, or prints what would change it.
func runWhy(cmd *cobra.Command, o *whyOptions, args []string) error {
	l, err := o.load(cmd)
	if err != nil {
		return err
	}
	from, to, err := ends(l, args)
	if err != nil {
		return err
	}
	// A patch is a manifest, not an answer.
	if o.output == "patch" {
		return printPatch(cmd, l, from, to)
	}
	answer := why.Explain(l.Cluster, from, to)
	// What the policies say comes from the objects alone; then the nodes are asked.
	o.askKernels(cmd.Context(), &answer)
	err = o.print(cmd.OutOrStdout(), "Why", answer, func(p *page) {
		p.why(answer)
		p.whyKernel(answer)
		if answer.Verdict != why.Allowed && !answer.NoFamily {
			p.line("", "\n  allow it: the same with -o patch")
		}
	})
	// What is denied for some of the pods is no yes, nor is what a kernel does otherwise.
	if err == nil && (answer.Verdict != why.Allowed || len(answer.Disagreement()) > 0) {
		return exit.Code(1)
	}
	return err
}

// ends finds what two arguments name.
func ends(l *input.Loaded, args []string) (from ask.End, to ask.Target, err error) {
	from, err = l.End(args[0], l.Namespace)
	if err != nil {
		return from, to, fmt.Errorf("FROM: %w", err)
	}
	to, err = l.Target(args[1], l.Namespace)
	if err != nil {
		return from, to, fmt.Errorf("TO: %w", err)
	}
	return from, to, nil
}

// printPatch writes the policies that would allow it, as manifests.
func printPatch(cmd *cobra.Command, l *input.Loaded, from ask.End, to ask.Target) error {
	policies, err := why.Patch(l.Cluster, from, to)
	// Addresses of a cluster are its own.
	if err == nil && l.Files != nil {
		err = why.CheckAddrs(policies, l.Files.MadeUpNodes)
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	// A comment is a manifest of nothing, which kubectl applies as such.
	if len(policies) == 0 {
		_, err = fmt.Fprintln(out, "# allowed already: there is nothing to apply")
		return err
	}
	for _, np := range policies {
		text, err := manifest(np)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "---")
		// Who pipes the patch sees stderr, who keeps it in a file the comment.
		for _, line := range why.Opens(np) {
			input.Tell(cmd.ErrOrStderr(), "warning", line)
			// A name that breaks the line would end the comment.
			line = strings.Join(strings.Fields(terminal.Clean("# warning: "+line)), " ")
			fmt.Fprintln(out, terminal.Fold(line, pageWidth, "# "))
		}
		fmt.Fprintf(out, "%s", text)
	}
	return nil
}

// manifest writes a policy as YAML, without the fields that a server fills in.
func manifest(np *networkingv1.NetworkPolicy) ([]byte, error) {
	data, err := yaml.Marshal(np)
	if err != nil {
		return nil, fmt.Errorf("write policy %s/%s: %w", np.Namespace, np.Name, err)
	}
	// Both are written by the library although they are empty.
	data = bytes.ReplaceAll(data, []byte("  creationTimestamp: null\n"), nil)
	return bytes.ReplaceAll(data, []byte("status: {}\n"), nil), nil
}

// why writes the answer.
func (p *page) why(a why.Answer) {
	word, colour := "ALLOWED", terminal.Good
	switch a.Verdict {
	case why.Denied:
		word, colour = "DENIED", terminal.Bad
	case why.Partly:
		word, colour = "PARTLY DENIED", terminal.Bad
	}
	p.line("    ", "%s  %s %s %s %s", p.Paint(colour, word), a.From, p.arrow, a.To, a.Port)
	if names := wouldDeny(a); len(names) > 0 && a.Verdict == why.Allowed {
		over := ""
		if a.OtherFamily != "" {
			over = " over " + a.Family
		}
		p.line("    ", "  %s%s by %s (audited)", p.Paint(terminal.Bad, "would be denied"), over,
			strings.Join(names, ", "))
	}
	// No policy decides about packets that cannot be sent at all.
	if a.NoFamily {
		p.line("    ", "\n  they have no IP family in common: one is IPv4 only, the other IPv6 only")
		return
	}
	if says := deniers(a); says != "" {
		p.line("    ", "  %s", says)
	}
	if a.Verdict == why.Allowed && a.Audited > 0 && a.Pairs > 1 {
		p.line("    ", "  %d of %d pairs; below: %s %s %s %s", a.Audited, a.Pairs, a.Example.From,
			p.arrow, a.Example.To, a.Example.Port)
	}
	// One pair of pods stands for all that are denied.
	if a.Pairs > 1 && (a.Denied > 0 || a.Audited == 0) {
		verb := "is"
		if a.Denied != 1 {
			verb = "are"
		}
		p.line("    ", "  %d of %d pairs %s denied; below: %s %s %s %s", a.Denied, a.Pairs, verb,
			a.Example.From, p.arrow, a.Example.To, a.Example.Port)
	}
	for _, h := range a.Directions {
		p.WriteString("\n")
		p.half(h)
	}
}

// wouldDeny names the audited policies that would deny what is shown, with their namespaces. One
// can do so in both directions.
func wouldDeny(a why.Answer) []string {
	var names []string
	for _, h := range a.Directions {
		for _, name := range h.Audited {
			if h.WouldDeny && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// deniers says which directions deny, and over which IP family if the other one is allowed.
func deniers(a why.Answer) string {
	var words []string
	for _, h := range a.Directions {
		if h.Verdict == why.Denied {
			words = append(words, h.Direction)
		}
	}
	over := ""
	if a.OtherFamily != "" {
		over = fmt.Sprintf(" over %s; over %s it is allowed", a.Family, a.OtherFamily)
	}
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0] + " says no" + over
	default:
		return strings.Join(words, " and ") + " say no" + over
	}
}

// reasons say in words why a direction was decided as it was.
var reasons = map[string]string{
	why.ByRule:      "isolated, and a rule allows it",
	why.NoRule:      "isolated, and no rule lets it through",
	why.NotIsolated: "allowed: no policy isolates it in this direction",
	why.AuditOnly:   "allowed: the policies that would deny it are audited",
	why.OwnNode:     "allowed: a pod and its own node always reach each other",
	why.Itself:      "allowed: a pod always reaches itself",
	why.NoPod:       "allowed: it is no pod, and policies are about pods alone",
	why.HostPod:     "allowed: it is on its node's network, where no policy selects it",
	why.Elsewhere:   "allowed: the address is not its own",
}

// half writes one direction.
func (p *page) half(h why.Half) {
	where := ""
	if h.Subject != "" {
		where = " of " + h.Subject
	}
	if h.Node != "" {
		where += ", on " + h.Node
	}
	p.line("    ", "  %s%s: %s", strings.ToUpper(h.Direction), where, reasons[h.Reason])
	if len(h.IsolatedBy) > 0 {
		p.item("isolated by", p.isolating(h))
	}
	if len(h.Audited) > 0 {
		p.item("audited", strings.Join(policyNames(h.Audited), ", "))
	}
	if len(h.Broken) > 0 {
		p.item("(!)", "a part of it matches nothing: picket lint")
	}
	if len(h.AllowedBy) > 0 {
		p.item("allowed by", allowedBy(h))
	}
	// Where a rule allows it, what others lack is of no interest.
	for i, r := range h.Rules {
		if p.wide || i == 0 && h.Reason == why.NoRule {
			p.rule(h, r, i == 0)
		}
	}
}

// itemIndent is where what a half says starts.
const itemIndent = "                 "

// item writes a word and what it is about.
func (p *page) item(word, text string) {
	p.line(itemIndent, "    %-12s %s", word, text)
}

// isolating lists the policies that isolate, with a mark on those that are broken.
func (p *page) isolating(h why.Half) string {
	var names []string
	for _, name := range h.IsolatedBy {
		mark := ""
		for _, b := range h.Broken {
			if b == name {
				mark = " (!)"
			}
		}
		names = append(names, policyName(name)+mark)
	}
	return strings.Join(names, ", ")
}

// policyNames are the names of policies without their namespace.
func policyNames(all []string) []string {
	names := make([]string, len(all))
	for i, name := range all {
		names[i] = policyName(name)
	}
	return names
}

// policyName is the name of a policy without its namespace, which is that of the pod.
func policyName(name string) string {
	_, name, _ = strings.Cut(name, "/")
	return name
}

// allowedBy lists the rules that allow.
func allowedBy(h why.Half) string {
	var names []string
	for _, o := range h.AllowedBy {
		names = append(names, fmt.Sprintf("%s %s[%d]", policyName(o.Policy), h.Direction, o.Rule))
	}
	return strings.Join(names, ", ")
}

// rule writes what a rule lacks.
func (p *page) rule(h why.Half, r why.Rule, first bool) {
	word := ""
	if first && h.Reason == why.NoRule {
		word = "nearest"
	}
	p.item(word, fmt.Sprintf("%s %s[%d]", policyName(r.Policy), h.Direction, r.Rule))
	p.fit("port", r.Port)
	p.fit("peer", r.Peer)
}

// fit writes whether a part of a rule matches.
func (p *page) fit(part string, f why.Fit) {
	text := "fits"
	if !f.Fits {
		text = strings.Join(f.Missing, "; ")
	}
	p.line(itemIndent+"      ", "%s%s: %s", itemIndent, part, text)
}
