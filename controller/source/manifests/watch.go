package manifests

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch reads folders and files and goes on to deliver what changes, until ctx ends; then it
// returns nil. The first Update holds everything and comes even if that is nothing; later ones
// come only when something is new. deliver is called from one goroutine, which reads nothing
// meanwhile. The error says that a path cannot be read at the start; from then on that is a
// Problem.
func Watch(ctx context.Context, paths []string, deliver func(Update)) error {
	return watch(ctx, paths, config{}, deliver)
}

// config is what tests change. The zero value of a field stands for the usual value.
type config struct {
	quiet  time.Duration // without an event on a file before it is read: 5 ms
	most   time.Duration // from the first event to the reading: 50 ms
	empty  time.Duration // until an emptied file is believed: 1 s
	rescan time.Duration // between two comparisons of all files: 10 s
	open   func() (*fsnotify.Watcher, error)
}

// withDefaults returns the config with the usual values in place of zero ones.
func (c config) withDefaults() config {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.quiet, 5 * time.Millisecond},
		{&c.most, 50 * time.Millisecond},
		{&c.empty, time.Second},
		{&c.rescan, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.open == nil {
		c.open = fsnotify.NewWatcher
	}
	return c
}

// watcher watches all paths. Its goroutine owns the state.
type watcher struct {
	config  config
	paths   []*pathWatcher
	state   *state
	deliver func(Update)
}

// watch is Watch with a config.
func watch(ctx context.Context, paths []string, c config, deliver func(Update)) error {
	w, err := newWatcher(paths, c.withDefaults(), deliver)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.start(); err != nil {
		return err
	}
	w.loop(ctx)
	return nil
}

// newWatcher returns a watcher that has read nothing. The error says that a path is not there.
func newWatcher(paths []string, c config, deliver func(Update)) (*watcher, error) {
	w := &watcher{config: c, state: newState(), deliver: deliver}
	for rank, path := range paths {
		r, err := newRoot(rank, path)
		if err != nil {
			return nil, err
		}
		p, err := newPathWatcher(r, c, w.state)
		if err != nil {
			return nil, fmt.Errorf("watch manifests: %w", err)
		}
		w.paths = append(w.paths, p)
	}
	return w, nil
}

// close ends the events of all paths.
func (w *watcher) close() {
	for _, p := range w.paths {
		p.notify.close()
	}
}

// start reads everything and delivers the first Update.
func (w *watcher) start() error {
	for _, p := range w.paths {
		if err := p.start(); err != nil {
			return fmt.Errorf("watch manifests: %w", err)
		}
	}
	u, _ := w.state.takeUpdate()
	w.deliver(u)
	return nil
}

// The channels that a loop waits for, by their place among its cases.
const (
	caseDone   = iota
	caseDue    // a name is to be read
	caseRescan // all files are to be compared
	casePaths  // the first of two for each path: its events and its errors
)

// loop reads and delivers what changes until ctx ends. It waits for all paths, with one timer for
// the name that is due next.
func (w *watcher) loop(ctx context.Context) {
	rescan := time.NewTicker(w.config.rescan)
	defer rescan.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		due.Stop()
		if next := w.nextDue(); !next.IsZero() {
			due.Reset(time.Until(next))
		}
		which, value, open := reflect.Select(w.cases(ctx.Done(), due.C, rescan.C))
		switch which {
		case caseDone:
			return
		case caseDue:
			w.readDue(time.Now())
		case caseRescan:
			w.rescan(time.Now())
		default:
			p := w.paths[(which-casePaths)/2]
			if e, isEvent := value.Interface().(fsnotify.Event); isEvent {
				w.handleEvent(p, e, open)
			} else {
				// an error: it is not known which events were lost
				p.schedule.changed("", time.Now())
			}
		}
	}
}

// cases returns the channels to wait for. A select statement cannot have as many as there are
// paths.
func (w *watcher) cases(done <-chan struct{}, due, rescan <-chan time.Time) []reflect.SelectCase {
	var all []reflect.SelectCase
	add := func(channel any) {
		all = append(all, reflect.SelectCase{
			Dir: reflect.SelectRecv, Chan: reflect.ValueOf(channel),
		})
	}
	add(done)
	add(due)
	add(rescan)
	for _, p := range w.paths {
		add(p.notify.events())
		add(p.notify.errors())
	}
	return all
}

// nextDue returns when the first name is to be read, zero if none is.
func (w *watcher) nextDue() time.Time {
	var first time.Time
	for _, p := range w.paths {
		if next := p.schedule.next; first.IsZero() || !next.IsZero() && next.Before(first) {
			first = next
		}
	}
	return first
}

// handleEvent schedules what an event of one path is about. open is false once there are no more
// events. A file that was renamed may belong to another path now, so all paths are compared with
// it.
func (w *watcher) handleEvent(p *pathWatcher, e fsnotify.Event, open bool) {
	now := time.Now()
	p.handleEvent(e, open)
	if _, all := p.schedule.names[""]; all {
		for _, other := range w.paths {
			other.schedule.changed("", now)
		}
	}
}

// readDue reads the names that are due and delivers what is new.
func (w *watcher) readDue(now time.Time) {
	gone, count := false, 0
	due := make([][]string, len(w.paths))
	for i, p := range w.paths {
		due[i] = p.schedule.takeDue(now)
		count += len(due[i])
		gone = gone || slices.ContainsFunc(due[i], p.isGone)
	}
	if count == 0 {
		return
	}
	for i, p := range w.paths {
		// What a file states may have moved to another file: before it is delivered as gone, all
		// that was written is read, whether its writer pauses or not.
		if gone {
			due[i] = append(due[i], p.schedule.takeAll()...)
			slices.Sort(due[i])
		}
		p.read(due[i], now)
	}
	w.deliverUpdate()
}

// rescan compares all files with what was read of them, whatever events there were.
func (w *watcher) rescan(now time.Time) {
	for _, p := range w.paths {
		p.rescan(now)
	}
	w.deliverUpdate()
}

// deliverUpdate delivers what is new, if anything is.
func (w *watcher) deliverUpdate() {
	if u, isNew := w.state.takeUpdate(); isNew {
		w.deliver(u)
	}
}
