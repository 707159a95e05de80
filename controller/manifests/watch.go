package manifests

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch reads a folder or a file and goes on to tell what changes, until ctx
// ends; then it returns nil. The first Update holds everything and comes even if
// that is nothing; later ones come only when something is new. deliver is called
// from one goroutine, which reads nothing meanwhile. The error says that the path
// cannot be read at the start; from then on that is a Problem.
func Watch(ctx context.Context, path string, deliver func(Update)) error {
	return watch(ctx, path, config{}, deliver)
}

// config is what tests change; the zero value of a field is the usual.
type config struct {
	quiet  time.Duration // without an event on a file before it is read: 5 ms
	most   time.Duration // from the first event to the reading: 50 ms
	empty  time.Duration // until an emptied file is believed: 1 s
	rescan time.Duration // between looks at all files: 10 s
	open   func() (*fsnotify.Watcher, error)
}

func (c config) usual() config {
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

// watcher is Watch at work: one goroutine.
type watcher struct {
	config  config
	source  source
	state   *state
	agenda  *agenda
	eyes    *eyes
	seen    map[string]fs.FileInfo // the file that a name was last read from, if that can be trusted
	emptied map[string]time.Time   // since when a file that states objects has been empty
	lost    bool                   // the path could not be read at the last rescan
	deliver func(Update)
}

func watch(ctx context.Context, path string, c config, deliver func(Update)) error {
	w, err := newWatcher(path, c.usual(), deliver)
	if err != nil {
		return err
	}
	defer w.eyes.close()
	if err := w.start(); err != nil {
		return err
	}
	w.loop(ctx)
	return nil
}

func newWatcher(path string, c config, deliver func(Update)) (*watcher, error) {
	src, err := newSource(path)
	if err != nil {
		return nil, err
	}
	if src.only != "" {
		if err := regular(path); err != nil {
			return nil, fmt.Errorf("watch manifests: %s: %w", path, err)
		}
	}
	dir, err := filepath.Abs(src.folder())
	if err != nil {
		return nil, fmt.Errorf("watch manifests: %w", err)
	}
	return &watcher{
		config:  c,
		source:  src,
		state:   newState(),
		agenda:  newAgenda(c.quiet, c.most),
		eyes:    &eyes{dir: dir, open: c.open},
		seen:    map[string]fs.FileInfo{},
		emptied: map[string]time.Time{},
		deliver: deliver,
	}, nil
}

// start watches, then reads: what changes in between is read twice, not missed.
func (w *watcher) start() error {
	w.look()
	names, err := w.source.names()
	if err != nil {
		return fmt.Errorf("watch manifests: %w", err)
	}
	now := time.Now()
	for _, name := range names {
		if err := w.visit(name, now); err != nil && w.source.only != "" {
			return fmt.Errorf("watch manifests: %w", err)
		}
	}
	u, _ := w.state.update()
	w.deliver(u)
	return nil
}

func (w *watcher) loop(ctx context.Context) {
	rescan := time.NewTicker(w.config.rescan)
	defer rescan.Stop()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		alarm.Stop()
		if at := w.agenda.alarm; !at.IsZero() {
			alarm.Reset(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.eyes.events():
			w.event(e, ok)
		case <-w.eyes.errors(): // an overflow, or worse: what was lost is not known
			w.agenda.note("", time.Now())
		case <-alarm.C:
			w.settle(time.Now())
		case now := <-rescan.C:
			w.rescan(now)
			w.flush()
		}
	}
}

// event puts down what one event is about.
func (w *watcher) event(e fsnotify.Event, ok bool) {
	now, path := time.Now(), filepath.Clean(e.Name)
	dir, name := filepath.Dir(path), filepath.Base(path)
	switch {
	case !ok:
		w.eyes.close()
		w.agenda.note("", now)
	case path == w.eyes.dir || path == w.eyes.parent():
		w.eyes.forget()
		w.agenda.note("", now)
	case dir != w.eyes.dir: // a neighbour of the folder
	case strings.HasPrefix(name, ".."): // ..data: the links of a ConfigMap mount lead elsewhere
		w.agenda.note("", now)
	case !w.source.counts(name):
	case e.Has(fsnotify.Rename): // away; the rescan finds it under its new name too
		w.agenda.note("", now)
	default:
		w.agenda.note(name, now)
	}
}
