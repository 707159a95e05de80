package sandbox

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/picket-project/picket/cmd/cli/terminal"
)

// What a run takes on two processors of 2026, of which one probe's half millisecond matters most.
const (
	perPod   = 50 * time.Millisecond
	perProbe = 500 * time.Microsecond
)

// estimate is about how long a run takes, rounded to what such a guess is worth.
func (p *plan) estimate() time.Duration {
	took := time.Duration(len(p.pods))*perPod + time.Duration(2*p.probes())*perProbe
	return max(took.Round(10*time.Second), 10*time.Second)
}

// probes is how many a run sends each time.
func (p *plan) probes() (n int) {
	for from, to := range p.pairs() {
		for range addresses(from.Pod, to.Pod) {
			n += len(to.ports)
		}
	}
	return n
}

// checkSize refuses a run of more probes than a limit, before anything is made.
func (p *plan) checkSize(limit int) error {
	if n := p.probes(); n > limit {
		return fmt.Errorf("--limit: %d pods are %d probes, twice, which take about %v; expected at "+
			"most %d: take fewer manifests, such as those of one namespace, or say --limit %d",
			len(p.pods), n, p.estimate(), limit, n)
	}
	return nil
}

// progress shows on a terminal how much of a run is done; elsewhere it shows nothing.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress begins to show how much of some steps is done. All of it disappears at the end.
func newProgress(out io.Writer, steps int) progress {
	width := terminal.Width(out)
	if width == 0 {
		return progress{}
	}
	return progress{progressbar.NewOptions(steps, progressbar.OptionSetWriter(out),
		progressbar.OptionSetWidth(max(width-50, 10)), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true))}
}

// done counts steps.
func (p progress) done(steps int) {
	if p.bar != nil {
		_ = p.bar.Add(steps) // a bar that can't be written costs no run
	}
}

// says names what goes on now.
func (p progress) says(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}

// end removes what is shown.
func (p progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
