package nft

import (
	"testing"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// A transaction takes as long as it takes: its answers are read to the end, however late that is.
func TestTransactionBeyondTheDeadline(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	b.longest = 50 * time.Millisecond
	chain := ruleset.Chain{ID: ruleset.NewChainID(ruleset.Ingress, "tenant", "long")}
	for port := range uint16(20_000) {
		chain.Steps = append(chain.Steps, ruleset.Rule{Proto: ruleset.TCP,
			Ports: []ruleset.PortRange{{First: 1 + port, Last: 1 + port}}})
	}
	p := &ruleset.Program{Chains: []ruleset.Chain{chain},
		Dispatch: []ruleset.Dispatch{{Addr: addr("10.244.1.5"), Chain: chain.ID}}}
	done := make(chan error, 1)
	go func() { done <- b.Apply(t.Context(), ruleset.Diff(ruleset.Observed{}, p)) }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("it reads for ever")
	}
}
