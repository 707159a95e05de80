package sandbox_test

import (
	"context"
	"os"

	"github.com/picket-project/picket/controller"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/nft/iptables"
	"github.com/picket-project/picket/ruleset"
)

// kernelBackend is what the packet tests need of a backend.
type kernelBackend interface {
	controller.Firewall
	controller.Cutter
	controller.Guard
	controller.FlowtableLister
	controller.Separator
	Close() error
}

// backendVariable names the backend that the packet tests are run with: nftables (or nothing), or
// iptables.
const backendVariable = "PICKET_TEST_BACKEND"

// openBackend returns the backend of one node. shared: others may change its rules.
func openBackend(netNS int, shared bool) kernelBackend {
	if os.Getenv(backendVariable) == "iptables" {
		return plainBackend{iptables.Open(iptables.Options{NetNS: netNS})}
	}
	return nft.Open(nft.Options{NetNS: netNS, NoOwner: shared})
}

// plainBackend is the one of iptables, which knows no flowtables and keeps nobody apart on bridges.
type plainBackend struct{ *iptables.Backend }

func (plainBackend) Flowtables(context.Context) ([]string, error) { return nil, nil }

func (plainBackend) PutSegment(context.Context, ruleset.Segment) error { return nil }
