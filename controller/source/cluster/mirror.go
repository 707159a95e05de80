package cluster

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"

	"github.com/picket-project/picket/ruleset/policy"
)

// mirror knows which objects of one resource there are, and what stands for what they said last; what they said, only
// the graph holds. It tells what changes, one thing after the other, from the goroutine of run.
//
// It stands in for client-go's informer, which holds all objects itself, and which waits twice as long each time that
// it must list everything again, up to a minute: a server that has forgotten what happened (410) a few times would not
// be believed for as long.
type mirror struct {
	from     *cache.ListWatch
	kind     runtime.Object // an empty one
	digest   *digest
	tell     func(*news)
	gone     func(policy.Key)
	complete chan struct{} // closed once all of a list was told

	mu    sync.Mutex // guards known
	known map[policy.Key]record
}

// record is what a mirror keeps of an object; see news.
type record struct{ version, content uint64 }

func newMirror(from *cache.ListWatch, kind runtime.Object, d *digest) *mirror {
	return &mirror{
		from: from, kind: kind, digest: d, tell: func(*news) {}, gone: func(policy.Key) {},
		complete: make(chan struct{}), known: map[policy.Key]record{},
	}
}

// again is how long it takes at least, and twice that at most, from the end of a watch that cannot go on to the list.
const again = 500 * time.Millisecond

// run follows the resource until ctx ends. What goes wrong, from tells.
func (m *mirror) run(ctx context.Context) {
	reflector := cache.NewReflectorWithOptions(m.from, m.kind, m, cache.ReflectorOptions{Name: "picket"})
	for ctx.Err() == nil {
		_ = reflector.ListAndWatchWithContext(ctx)
		sleep(ctx, wait.Jitter(again, 1))
	}
}

// knows reports whether there is such an object. Anybody may ask.
func (m *mirror) knows(key policy.Key) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.known[key]
	return known
}

// put replaces what is known of an object.
func (m *mirror) put(key policy.Key, is record) (was record, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, known = m.known[key]
	m.known[key] = is
	return was, known
}

// Add is like Update.
func (m *mirror) Add(o any) error { return m.Update(o) }

// Update takes in an object. The version that is known already is no news, nor is one that says the same as it.
func (m *mirror) Update(o any) error {
	n, err := m.digest.read(o)
	if err != nil {
		return err
	}
	was, _ := m.put(n.key, record{n.version, n.content})
	switch {
	case was.version != 0 && was.version == n.version:
	case n.content != 0 && (n.version == 0 || n.content != was.content):
		m.tell(n)
	case n.content == 0 && was.content != 0:
		m.gone(n.key)
	}
	return nil
}

// Delete forgets an object, if it is known.
func (m *mirror) Delete(o any) error {
	key, err := cache.ObjectToName(o)
	if err == nil {
		m.forget(policy.Key{Namespace: key.Namespace, Name: key.Name})
	}
	return err
}

func (m *mirror) forget(key policy.Key) {
	m.mu.Lock()
	was, known := m.known[key]
	delete(m.known, key)
	m.mu.Unlock()
	if known && was.content != 0 {
		m.gone(key)
	}
}

// Replace takes in a list: first what there is, and then what there is no more.
func (m *mirror) Replace(list []any, _ string) error {
	listed := make(map[policy.Key]bool, len(list))
	for _, o := range list {
		n, err := m.digest.read(o)
		if err != nil {
			return err
		}
		listed[n.key] = true
		if err := m.Update(n); err != nil {
			return err
		}
	}
	for _, key := range m.besides(listed) {
		m.forget(key)
	}
	m.completed()
	return nil
}

// besides returns what is known and not in a list.
func (m *mirror) besides(listed map[policy.Key]bool) (others []policy.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) == len(listed) {
		return nil // all of the list is known by now
	}
	for key := range m.known {
		if !listed[key] {
			others = append(others, key)
		}
	}
	return others
}

func (m *mirror) completed() {
	select {
	case <-m.complete:
	default:
		close(m.complete)
	}
}

// Resync has nothing to do: nobody forgets what was told.
func (m *mirror) Resync() error { return nil }
