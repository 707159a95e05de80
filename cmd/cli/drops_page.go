package cli

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/controller/drops"
)

// dropFilter is which drops are wanted; what is empty is not asked for.
type dropFilter struct{ namespace, from, to, policy string }

// Validate checks what the flags can be checked for alone.
func (f dropFilter) Validate() error {
	for flag, text := range map[string]string{"--from": f.from, "--to": f.to, "--policy": f.policy} {
		_, err := netip.ParseAddr(text)
		isAddr := err == nil && flag != "--policy"
		if text == "" || isAddr || strings.Count(text, "/") == 1 || f.namespace != "" {
			continue
		}
		return fmt.Errorf("%s %q: expected NAMESPACE/NAME, or NAME with -n", flag, text)
	}
	return nil
}

// matches reports whether a drop is wanted.
func (f dropFilter) matches(d drops.Drop) bool {
	inNamespace := f.namespace == "" || d.From.Namespace() == f.namespace ||
		d.To.Namespace() == f.namespace
	return inNamespace && f.isEnd(d.From, f.from) && f.isEnd(d.To, f.to) && f.isPolicy(d)
}

// isPolicy reports whether a pod is isolated by the policy of a flag, or can be by one that the drop
// does not name: policies are of the namespace of their pod.
func (f dropFilter) isPolicy(d drops.Drop) bool {
	if f.policy == "" {
		return true
	}
	name, pod := f.full(f.policy), d.Subject()
	can := pod.Pod == "" || strings.HasPrefix(name, pod.Namespace()+"/")
	return slices.Contains(d.IsolatedBy, name) || d.MorePolicies > 0 && can
}

// full is a name with the namespace of -n, if it has none.
func (f dropFilter) full(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return f.namespace + "/" + name
}

// isEnd reports whether an end is the one of a flag: by its address, as a node, as a pod, or as a pod
// of a workload, whose name its own begins with.
func (f dropFilter) isEnd(e drops.End, text string) bool {
	if text == "" {
		return true
	}
	// No name reads as an address.
	if addr, err := netip.ParseAddr(text); err == nil {
		return e.Address == addr
	}
	return text == "node/"+e.Node && e.Node != "" || e.Pod == f.full(text) ||
		strings.HasPrefix(e.Pod, f.full(text)+"-")
}

// dropHeader heads the columns of drops.
var dropHeader = []string{"TIME", "FROM", "TO", "N", "DENIED BY"}

// dropRows are rows that come one by one: their columns are as wide as those before.
type dropRows struct {
	namespace string // of which the names are shown without it
	widths    []int
	headed    bool
}

// newDropRows returns no rows.
func newDropRows(namespace string) *dropRows {
	return &dropRows{namespace: namespace, widths: []int{8, 12, 16, 2}}
}

// cells are those of one drop.
func (r *dropRows) cells(p *page, d drops.Drop) []string {
	// A row without packets only says how many more there were.
	n := "-"
	if d.Packets > 0 {
		n = fmt.Sprint(d.Packets)
	}
	// The port belongs to the end that would have been reached.
	to := r.name(d.To)
	if d.Port != "" {
		to += " " + d.Port
	}
	// Policies are of the namespace of the pod that they isolate.
	by := withoutNamespace(d.IsolatedBy, d.Subject().Pod)
	text := d.Direction.String() + " " + p.fewOf(by, 2, d.MorePolicies)
	if d.Audited {
		text = "audit: " + text // it was let through
	}
	if p.wide && d.Nearest != "" {
		text += "; nearest " + d.Nearest + ": the port fits"
	}
	return []string{d.Time.Local().Format("15:04:05"), r.name(d.From), to, n, text}
}

// name is that of an end, without the namespace that was asked for.
func (r *dropRows) name(e drops.End) string {
	if r.namespace == "" {
		return e.String()
	}
	return strings.TrimPrefix(e.String(), r.namespace+"/")
}

// drops writes all that were found.
func (p *page) drops(report dropsReport, wants dropFilter) {
	if len(report.Drops) == 0 {
		p.line("  ", "nothing was denied lately")
	}
	rows := newDropRows(wants.namespace)
	for _, d := range report.Drops { // so that all rows are as wide
		rows.widen(rows.cells(p, d))
	}
	for _, d := range report.Drops {
		p.drop(d, rows)
	}
	p.notAsked(report.NotAsked)
}

// widen makes the columns as wide as some cells are, up to what leaves room for the last.
func (r *dropRows) widen(cells []string) {
	for i, most := range []int{8, 19, 23, 2} {
		r.widths[i] = max(r.widths[i], min(terminal.Columns(cells[i]), most))
	}
}

// drop writes one row, and how many more packets there were.
func (p *page) drop(d drops.Drop, rows *dropRows) {
	cells := rows.cells(p, d)
	rows.widen(cells)
	// The header stands above the first row, whenever that comes.
	all := [][]string{cells}
	if !rows.headed {
		all, rows.headed = [][]string{dropHeader, cells}, true
	}
	for _, row := range all {
		padded := slices.Clone(row)
		for i, width := range rows.widths {
			padded[i] = terminal.Pad(row[i], width)
		}
		p.table(terminal.Table{Rows: [][]string{padded}})
	}
	if d.More > 0 {
		p.line("          ", "          %d more of %s were counted and not shown (10 a second)", d.More,
			rows.name(d.Subject()))
	}
}
