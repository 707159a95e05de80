package cluster

import (
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// pool gives things that are equal one place in memory: all pods of an application have the same labels and ports, and
// most of them come one after the other.
type pool[T any] struct {
	have map[uint64]T // by a hash
	same func(a, b T) bool
}

// mostPooled is when a pool is emptied, so that it never holds much that nobody else does.
const mostPooled = 1000

func newPool[T any](same func(a, b T) bool) pool[T] { return pool[T]{map[uint64]T{}, same} }

// share returns a thing, or another one that is equal to it; neither must ever be changed.
func (p *pool[T]) share(hash uint64, thing T) T {
	if had, is := p.have[hash]; is && p.same(had, thing) {
		return had
	}
	if len(p.have) >= mostPooled {
		clear(p.have)
	}
	p.have[hash] = thing
	return thing
}

func sameText(a, b string) bool              { return a == b }
func sameLabels(a, b map[string]string) bool { return maps.Equal(a, b) }
func samePorts(a, b []policy.PortName) bool  { return slices.Equal(a, b) }
