package controller

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
)

// mirror is what is known of one resource, trimmed, by key. It tells its handler what changes, one thing after the
// other, from the goroutine of run.
//
// It stands in for client-go's informer, which waits twice as long each time that it must list everything again, up to
// a minute: a server that has forgotten what happened (410) a few times would not be believed for as long.
type mirror struct {
	cache.Store
	from     *cache.ListWatch
	kind     runtime.Object // an empty one
	handler  cache.ResourceEventHandler
	complete chan struct{} // closed once all of a list was told
}

func newMirror(from *cache.ListWatch, kind runtime.Object) *mirror {
	return &mirror{
		Store: cache.NewStore(cache.MetaNamespaceKeyFunc), from: from, kind: kind,
		handler: cache.ResourceEventHandlerFuncs{}, complete: make(chan struct{}),
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

// Add is like Update.
func (m *mirror) Add(o any) error { return m.Update(o) }

// Update takes in an object. The version that is known already is no news.
func (m *mirror) Update(o any) error {
	was, known, err := m.Get(o)
	if err != nil || known && sameVersion(was, o) {
		return err
	}
	is, err := trim(o)
	if err != nil {
		return err
	}
	if err := m.Store.Update(is); err != nil {
		return err
	}
	if known {
		m.handler.OnUpdate(was, is)
	} else {
		m.handler.OnAdd(is, false)
	}
	return nil
}

func sameVersion(a, b any) bool {
	was, ok := a.(metav1.Object)
	is, alsoOK := b.(metav1.Object)
	return ok && alsoOK && was.GetUID() == is.GetUID() && was.GetResourceVersion() != "" && was.GetResourceVersion() == is.GetResourceVersion()
}

// Delete forgets an object, if it is known.
func (m *mirror) Delete(o any) error {
	was, known, err := m.Get(o)
	if err != nil || !known {
		return err
	}
	if err := m.Store.Delete(was); err != nil {
		return err
	}
	m.handler.OnDelete(was)
	return nil
}

// Replace takes in a list: first what there is, and then what there is no more.
func (m *mirror) Replace(list []any, _ string) error {
	listed := make(map[string]bool, len(list))
	for _, o := range list {
		key, err := cache.MetaNamespaceKeyFunc(o)
		if err != nil {
			return err
		}
		listed[key] = true
		if err := m.Update(o); err != nil {
			return err
		}
	}
	for _, o := range m.List() {
		if key, err := cache.MetaNamespaceKeyFunc(o); err == nil && !listed[key] {
			_ = m.Delete(o)
		}
	}
	m.completed()
	return nil
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
