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

// reader is the part of a typed client that reads one kind of object.
type reader[List runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (List, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// persistent lists and watches until it succeeds. Left to itself, a reflector waits longer after each failure
// and each watch that is cut soon, up to a minute; a node must know of changes within 5 seconds of the API
// server's return. What cannot be read, and that it can be followed again (nil), it tells. Of what is listed it holds
// what read returns.
//
// Whatever version a reflector asks for, a list is of all that there is now: one of any age may be of long ago, from the
// cache of a server that has fallen behind. An agent that has restarted would then take isolation back that came since.
func persistent[List runtime.Object](resource string, from reader[List], read func(any) (*news, error), tell func(error)) *cache.ListWatch {
	ask := func(ctx context.Context, o metav1.ListOptions) (List, error) {
		return insist(ctx, "list "+resource, tell, func() (List, error) { return from.List(ctx, o) })
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
			found, err := list(ctx, ask, read)
			if err == nil && len(found.Items) == 0 {
				sleep(ctx, doubt)
				found, err = list(ctx, ask, read)
			}
			if err != nil {
				return nil, err
			}
			return found, nil
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := insist(ctx, "watch "+resource, tell, func() (watch.Interface, error) { return from.Watch(ctx, o) })
			if err != nil {
				return nil, err
			}
			tell(nil)
			return lengthen(ctx, w, startOf(o)), nil
		},
	}
}

// doubt is how long an empty list is doubted until the server is asked once more: what is believed of it takes
// isolation away from every pod, also where another process has brought it about.
const doubt = time.Second

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// insist repeats a call until it succeeds, ctx ends, or another call is needed. While the server is away, up to
// two and a half seconds pass between attempts.
func insist[T any](ctx context.Context, deed string, tell func(error), call func() (T, error)) (T, error) {
	pause := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.25, Steps: 5, Cap: 2 * time.Second}
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
// after etcd was restored. A reflector then asks without one.
func outdated(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
}

// shortest is how long a watch must last for a reflector to go on where it ended, at once. After a shorter one
// it lists everything again.
const shortest = time.Second

// long is a watch that lasts a second at least, however soon it is cut, and that never goes back in time.
type long struct {
	watch.Interface
	events chan watch.Event
	cancel context.CancelFunc
	newest version // of what was told
}

func lengthen(ctx context.Context, w watch.Interface, start version) *long {
	ctx, cancel := context.WithCancel(ctx)
	l := &long{w, make(chan watch.Event), cancel, start}
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
		select {
		case l.events <- l.ordered(e):
		case <-ctx.Done():
			return
		}
	}
	sleep(ctx, time.Until(end))
}

// ordered returns the event, or in place of one that is older than another before it an error that asks for a list: a
// reflector would put the old state of an object over the new one, or bring back what is gone.
func (l *long) ordered(e watch.Event) watch.Event {
	is := versionOf(e)
	if is == 0 || l.newest == 0 {
		return e
	}
	if is < l.newest {
		status := apierrors.NewResourceExpired(fmt.Sprintf("version %d was told after %d", is, l.newest)).Status()
		return watch.Event{Type: watch.Error, Object: &status}
	}
	l.newest = is
	return e
}
