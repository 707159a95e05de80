package cluster

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
)

// minWatch is how long a watch must last for a reflector to resume it at once. After a shorter
// one it lists everything again.
const minWatch = time.Second

// orderedWatch is a watch that lasts minWatch at least, however soon it is cut, and that never goes
// back in time.
type orderedWatch struct {
	watch.Interface
	events chan watch.Event
	cancel context.CancelFunc
	newest version // of the events so far
	heard  func()  // is called at each event
}

// newOrderedWatch wraps a watch that begins after a version. It calls heard at each event, bookmarks
// too, before it passes it on.
func newOrderedWatch(
	ctx context.Context, w watch.Interface, start version, heard func(),
) *orderedWatch {
	ctx, cancel := context.WithCancel(ctx)
	o := &orderedWatch{w, make(chan watch.Event), cancel, start, heard}
	go o.pass(ctx, time.Now().Add(minWatch))
	return o
}

// ResultChan is closed when the watch has ended.
func (w *orderedWatch) ResultChan() <-chan watch.Event { return w.events }

// Stop ends the watch.
func (w *orderedWatch) Stop() {
	w.cancel()
	w.Interface.Stop()
}

// pass passes events on until the watch ends, which it does not say before the time end. An error
// ends the watch as a cut does, unless it asks for a list.
func (w *orderedWatch) pass(ctx context.Context, end time.Time) {
	defer close(w.events)
	for e := range w.Interface.ResultChan() {
		if e.Type == watch.Error && !isOutdated(apierrors.FromObject(e.Object)) {
			break
		}
		w.heard()
		select {
		case w.events <- w.inOrder(e):
		case <-ctx.Done():
			return
		}
	}
	sleep(ctx, time.Until(end))
}

// inOrder returns the event, or an error that asks for a list if the event is older than one before
// it: a reflector would replace an object by its former state, or restore one that is deleted.
func (w *orderedWatch) inOrder(e watch.Event) watch.Event {
	v := versionOf(e)
	if v == 0 || w.newest == 0 {
		return e
	}
	if v < w.newest {
		text := fmt.Sprintf("version %d came after %d", v, w.newest)
		status := apierrors.NewResourceExpired(text).Status()
		return watch.Event{Type: watch.Error, Object: &status}
	}
	w.newest = v
	return e
}
