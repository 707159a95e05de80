package cluster

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// lister reads all objects of one resource.
type lister[List runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (List, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// listener is told how a resource is listed and watched. Its functions are called by several
// goroutines.
type listener struct {
	result func(error) // of each failure, and nil once the resource is watched
	heard  func()      // once it is watched, and of each event
}

// newListWatch returns how a reflector lists and watches a resource: calls are repeated until
// they succeed. A reflector by itself waits longer after each failure and each watch that is cut
// soon, up to a minute, while a node must know of changes within 5 seconds of the API server's
// return.
//
// Whatever version a reflector asks for, the list is of the newest state. One of any version may
// be very old, from the cache of a server that has fallen behind: an agent that has restarted
// would then free pods that were isolated since.
func newListWatch[List runtime.Object](
	resource string, from lister[List], convert convertFunc, to listener,
) *cache.ListWatch {
	failed := func(verb string) func(error) {
		return func(err error) { to.result(fmt.Errorf("%s %s: %w", verb, resource, err)) }
	}
	ask := func(ctx context.Context, o metav1.ListOptions) (List, error) {
		return retry(ctx, failed("list"), func() (List, error) { return from.List(ctx, o) })
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, _ metav1.ListOptions) (runtime.Object,
			error) {
			return listConfirmed(ctx, ask, convert)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface,
			error) {
			w, err := retry(ctx, failed("watch"), func() (watch.Interface, error) {
				return from.Watch(ctx, o)
			})
			if err != nil {
				return nil, err
			}
			to.result(nil)
			to.heard()
			return newOrderedWatch(ctx, w, startOf(o), to.heard), nil
		},
	}
}

// pagedListWatch makes a reflector list page by page.
type pagedListWatch struct{ *cache.ListWatch }

// IsWatchListSemanticsUnSupported keeps a reflector from taking lists out of a watch, as it does
// by default since client-go 0.35: that would hold every object whole until the last one has come
// (of 3,000 pods a peak of 99 MB instead of 59), believe an empty list at once, and wait for ever
// for a server that does not know such watches and ignores what it is asked.
func (pagedListWatch) IsWatchListSemanticsUnSupported() bool { return true }

// confirmDelay is the time from an empty list to the next one, which confirms it. An empty list
// takes isolation away from every pod, also where it is the mistake of another process.
const confirmDelay = time.Second

// listConfirmed returns all objects that there are. It believes only a second empty list.
func listConfirmed[List runtime.Object](
	ctx context.Context, ask listFunc[List], convert convertFunc,
) (runtime.Object, error) {
	found, err := listAll(ctx, ask, convert)
	if err == nil && len(found.Items) == 0 {
		sleep(ctx, confirmDelay)
		found, err = listAll(ctx, ask, convert)
	}
	if err != nil {
		return nil, err // not a typed nil
	}
	return found, nil
}

// sleep returns after a while, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// retry repeats a call until it succeeds, ctx ends, or the server does not know the version that
// was asked for. Other errors are passed to failed. While the server is away, up to two and a
// half seconds pass between calls.
func retry[T any](ctx context.Context, failed func(error), call func() (T, error)) (T, error) {
	pause := wait.Backoff{
		Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.25, Steps: 5, Cap: 2 * time.Second,
	}
	for {
		result, err := call()
		if err == nil || isOutdated(err) || ctx.Err() != nil {
			return result, err
		}
		failed(err)
		sleep(ctx, pause.Step())
	}
}

// isOutdated reports whether the server does not know the version that was asked for: not any more
// (410 Gone), or not yet, after etcd was restored. A reflector then asks without one.
func isOutdated(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) ||
		apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
}
