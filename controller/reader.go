package controller

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// reader is the part of a typed client that reads one kind of object.
type reader[List runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (List, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// persistent lists and watches until it succeeds. Left to itself, an informer waits longer after each failure
// and each watch that is cut soon, up to a minute; a node must know of changes within 5 seconds of the API
// server's return. What cannot be read, and that it can be followed again (nil), it tells.
func persistent[List runtime.Object](resource string, from reader[List], tell func(error)) *cache.ListWatch {
	var seen atomic.Bool // any object, ever
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list := func() (runtime.Object, error) {
				return insist(ctx, "list "+resource, tell, func() (runtime.Object, error) { return from.List(ctx, o) })
			}
			found, err := list()
			if err == nil && meta.LenList(found) == 0 && seen.Load() {
				sleep(ctx, doubt)
				o.ResourceVersion, o.ResourceVersionMatch = "", "" // from etcd, not from a cache
				found, err = list()
			}
			seen.Store(seen.Load() || err == nil && meta.LenList(found) > 0)
			return found, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := insist(ctx, "watch "+resource, tell, func() (watch.Interface, error) { return from.Watch(ctx, o) })
			if err != nil {
				return nil, err
			}
			tell(nil)
			return lengthen(ctx, w, &seen), nil
		},
	}
}

// doubt is how long an empty list is doubted where there was something before, until the server is asked once
// more: what is believed of it takes isolation away from every pod.
const doubt = time.Second

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// insist repeats a call until it succeeds, ctx ends, or another call is needed. While the server is away, two
// to three seconds pass between attempts.
func insist[T any](ctx context.Context, deed string, tell func(error), call func() (T, error)) (T, error) {
	pause := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 5, Cap: 2 * time.Second}
	for {
		result, err := call()
		if err == nil || outdated(err) || ctx.Err() != nil {
			return result, err
		}
		tell(fmt.Errorf("%s: %w", deed, err))
		sleep(ctx, pause.Step())
	}
}

// outdated reports whether the server does not know the version that was asked for: any more (410), or yet,
// after etcd was restored. The informer then asks without one.
func outdated(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
}

// shortest is how long a watch must last for an informer to go on where it ended, at once. After a shorter one
// it waits and lists everything again.
const shortest = time.Second

// long is a watch that lasts a second at least, however soon it is cut.
type long struct {
	watch.Interface
	events chan watch.Event
	cancel context.CancelFunc
	seen   *atomic.Bool // set with the first object
}

func lengthen(ctx context.Context, w watch.Interface, seen *atomic.Bool) *long {
	ctx, cancel := context.WithCancel(ctx)
	l := &long{w, make(chan watch.Event), cancel, seen}
	go l.pass(ctx, time.Now().Add(shortest))
	return l
}

// ResultChan is closed when the watch has ended.
func (l *long) ResultChan() <-chan watch.Event { return l.events }

// Stop ends the watch.
func (l *long) Stop() {
	l.cancel()
	l.Interface.Stop()
}

// pass hands events on. An error ends the watch like a cut does, unless it asks for a list.
func (l *long) pass(ctx context.Context, end time.Time) {
	defer close(l.events)
	for e := range l.Interface.ResultChan() {
		if e.Type == watch.Error && !outdated(apierrors.FromObject(e.Object)) {
			break
		}
		l.seen.Store(l.seen.Load() || e.Type == watch.Added)
		select {
		case l.events <- e:
		case <-ctx.Done():
			return
		}
	}
	sleep(ctx, time.Until(end))
}
