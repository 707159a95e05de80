package sandbox

import (
	"net/netip"
	"testing"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
)

// A silence where an answer was expected is heard out again, and longer; one that was expected is
// believed at once.
func TestSandboxAskAgain(t *testing.T) {
	needRoot(t)
	b, err := newPlan(objectsOf(t, object("Pod", "a", "")+object("Pod", "b", "")),
		ruleset.Families[:])
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.build(t.Context(), progress{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const timeout = 50 * time.Millisecond
	nobody := sandbox.Probe{From: "default/a", To: "default/b",
		Addr: netip.MustParseAddr("10.244.2.99"), Port: 80}
	for expected, least := range map[bool]time.Duration{false: timeout,
		true: (1 + longer) * timeout} {
		outcome := sandbox.Stranger
		began := time.Now()
		if err := (prober{c, timeout, progress{}}).ask(t.Context(),
			[]question{{nobody, expected, &outcome}}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); outcome != sandbox.Silent || took < least || !expected &&
			took >= (1+longer)*timeout {
			t.Errorf("expected %t: %s after %v", expected, outcome, took)
		}
	}
}
