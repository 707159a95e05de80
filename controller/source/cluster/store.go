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

// store remembers which objects of one resource there are, and two hashes of each, and calls
// changed and gone for what differs from before: one call after the other, from the goroutine of
// run.
//
// It is what a client-go reflector writes to. A client-go informer would hold all objects itself,
// and it waits twice as long each time that it must list everything again, up to a minute: after
// a server has lost its history (410 Gone) a few times, changes would be missed for as long.
type store struct {
	from      *cache.ListWatch
	kind      runtime.Object // an empty object of the resource
	converter *converter
	changed   func(*object)
	gone      func(policy.Key)
	listed    chan struct{} // closed once all of a list was passed on

	mu      sync.Mutex // guards objects
	objects map[policy.Key]hashes
}

// newStore returns a store that passes nothing on, until its functions are set.
func newStore(from *cache.ListWatch, kind runtime.Object, c *converter) *store {
	return &store{
		from: from, kind: kind, converter: c,
		changed: func(*object) {}, gone: func(policy.Key) {},
		listed: make(chan struct{}), objects: map[policy.Key]hashes{},
	}
}

// relistDelay is the least time from the end of a watch that cannot be resumed to the next list.
// The most is twice that.
const relistDelay = 500 * time.Millisecond

// run follows the resource until ctx ends. Errors are reported by the functions in from.
func (s *store) run(ctx context.Context) {
	options := cache.ReflectorOptions{Name: "picket"}
	reflector := cache.NewReflectorWithOptions(pagedListWatch{s.from}, s.kind, s, options)
	for ctx.Err() == nil {
		_ = reflector.ListAndWatchWithContext(ctx)
		sleep(ctx, wait.Jitter(relistDelay, 1))
	}
}

// has reports whether there is an object with the key. Any goroutine may ask.
func (s *store) has(key policy.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := s.objects[key]
	return found
}

// replace sets the hashes of an object and returns those before, zero if there were none.
func (s *store) replace(key policy.Key, now hashes) (before hashes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.objects[key]
	s.objects[key] = now
	return before
}

// Add does what Update does.
func (s *store) Add(o any) error { return s.Update(o) }

// Update passes an object on. One of the same version as before, or of another version with the
// same content, is left out.
func (s *store) Update(o any) error {
	n, err := s.converter.convert(o)
	if err != nil {
		return err
	}
	before := s.replace(n.key, n.hashes)
	switch {
	case before.version != 0 && before.version == n.version:
	case n.content != 0 && (n.version == 0 || n.content != before.content):
		s.changed(n)
	case n.content == 0 && before.content != 0:
		s.gone(n.key)
	}
	return nil
}

// Delete forgets an object and passes its deletion on, if it was there.
func (s *store) Delete(o any) error {
	name, err := cache.ObjectToName(o)
	if err == nil {
		s.remove(policy.Key{Namespace: name.Namespace, Name: name.Name})
	}
	return err
}

// remove forgets an object and passes its deletion on, if it was there and counted.
func (s *store) remove(key policy.Key) {
	s.mu.Lock()
	before := s.objects[key]
	delete(s.objects, key)
	s.mu.Unlock()
	if before.content != 0 {
		s.gone(key)
	}
}

// Replace takes over a list: first the objects in it, then the deletion of those that it lacks.
func (s *store) Replace(list []any, _ string) error {
	listed := make(map[policy.Key]bool, len(list))
	for _, o := range list {
		n, err := s.converter.convert(o)
		if err != nil {
			return err
		}
		listed[n.key] = true
		if err := s.Update(n); err != nil {
			return err
		}
	}
	for _, key := range s.notIn(listed) {
		s.remove(key)
	}
	s.setListed()
	return nil
}

// notIn returns the objects that a list lacks. All of the list must be in the store.
func (s *store) notIn(listed map[policy.Key]bool) (missing []policy.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.objects) == len(listed) {
		return nil
	}
	for key := range s.objects {
		if !listed[key] {
			missing = append(missing, key)
		}
	}
	return missing
}

// setListed closes listed, the first time.
func (s *store) setListed() {
	select {
	case <-s.listed:
	default:
		close(s.listed)
	}
}

// Resync does nothing: the graph keeps each object that was passed on.
func (s *store) Resync() error { return nil }
