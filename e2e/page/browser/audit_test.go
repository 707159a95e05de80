package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/lint"
	"github.com/picket-project/picket/cmd/inspect/report"
	"github.com/picket-project/picket/ruleset/policy"
)

// auditedDemo is deploy/demo with the policies of namespace shop audited.
func auditedDemo(t *testing.T) report.Input {
	t.Helper()
	in := demo(t)
	objects := in.Cluster.Objects
	for _, ns := range objects.Namespaces {
		if ns.Name == "shop" {
			ns.Annotations = map[string]string{policy.AuditAnnotation: "true"}
		}
	}
	in.Cluster = ask.New(objects, nil)
	in.Findings, in.Diff = lint.Run(in.Cluster, nil), nil
	return in
}

// What audited policies would deny looks different in the grid, in lists, in why and in coverage.
func TestThePageShowsWhatIsAudited(t *testing.T) {
	b := open(t)
	b.load(auditedDemo(t))
	const stranger = "shop/stranger reaches shop/backend; audited policies would deny it"
	b.until(cell(stranger) + ` !== null && ` + cell("shop/frontend-1 reaches shop/backend") + ` !== null`)
	b.shot("audit-reach")
	b.do(chromedp.Click(chromedp.CSS(`td[title="` + stranger + `"]`)))
	b.says("ALLOWED tcp/8080", "would be denied by shop/default-deny, shop/dns, "+
		"shop/backend-from-frontend, shop/backend-from-office (audited)", "allowed: the policies that would deny it are audited", "◎ tcp/8080")
	b.shot("audit-why")
	b.do(chromedp.Click(chromedp.CSS(`td[title="shop/frontend-1 reaches shop/backend"]`)))
	b.says("shop/frontend-1", "allowed: no policy isolates it in this direction", "audited", "✓ tcp/8080")
	if text := b.why(); strings.Contains(text, "would be denied") {
		t.Errorf("the panel says %s", text)
	}
	b.ask("stranger")
	b.says("◎ shop/backend")
	b.do(chromedp.Click(chromedp.ID("fold")))
	b.do(chromedp.Click(chromedp.CSS(
		`td[title="other reaches shop; audited policies would deny a part of it"]`)))
	b.says("4 of 4 pairs of workloads are open", "Audited policies would deny 4 of them")
	b.do(chromedp.Click(chromedp.ID("tab-coverage")))
	b.until(`!document.getElementById("coverage").hidden && document.getElementById("coverage")
		.textContent.includes("Audited, so that they isolate nobodyshop/backend-from-frontend")`)
	b.shot("audit-coverage")
	b.media("dark")
	b.do(chromedp.Click(chromedp.ID("tab-reach")), chromedp.Click(chromedp.ID("unfold")))
	b.shot("audit-dark")
	if eval[bool](b, `document.getElementById("audit").hidden`) {
		t.Error("the grid does not say what its mark means")
	}
	for _, wrong := range b.complaints() {
		t.Error(wrong)
	}
}
