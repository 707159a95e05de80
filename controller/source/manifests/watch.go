package manifests

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch reads folders and files and goes on to tell what changes, until ctx ends; then it returns
// nil. The first Update holds everything and comes even if that is nothing; later ones come only
// when something is new. deliver is called from one goroutine, which reads nothing meanwhile. The
// error says that a path cannot be read at the start; from then on that is a Problem.
func Watch(ctx context.Context, paths []string, deliver func(Update)) error {
	return watch(ctx, paths, config{}, deliver)
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

// group is Watch at work: one goroutine, and a watcher for each path.
type group struct {
	config   config
	watchers []*watcher
	state    *state
	deliver  func(Update)
}

// watcher is what is known of one path.
type watcher struct {
	config  config
	source  source
	state   *state // of the group
	agenda  *agenda
	eyes    *eyes
	seen    map[string]fs.FileInfo // the file that a name was last read from, if that can be trusted
	emptied map[string]time.Time   // since when a file that states objects has been empty
	lost    bool                   // the path could not be read at the last rescan
}

func watch(ctx context.Context, paths []string, c config, deliver func(Update)) error {
	g, err := newGroup(paths, c.usual(), deliver)
	if err != nil {
		return err
	}
	defer g.close()
	if err := g.start(); err != nil {
		return err
	}
	g.loop(ctx)
	return nil
}

func newGroup(paths []string, c config, deliver func(Update)) (*group, error) {
	g := &group{config: c, state: newState(), deliver: deliver}
	for rank, path := range paths {
		src, err := newSource(rank, path)
		if err != nil {
			return nil, err
		}
		w, err := newWatcher(src, c, g.state)
		if err != nil {
			return nil, fmt.Errorf("watch manifests: %w", err)
		}
		g.watchers = append(g.watchers, w)
	}
	return g, nil
}

func newWatcher(src source, c config, s *state) (*watcher, error) {
	if src.only != "" {
		if err := regular(src.path); err != nil {
			return nil, fmt.Errorf("%s: %w", src.path, err)
		}
	}
	dir, err := filepath.Abs(src.folder())
	if err != nil {
		return nil, err
	}
	return &watcher{
		config:  c,
		source:  src,
		state:   s,
		agenda:  newAgenda(c.quiet, c.most),
		eyes:    &eyes{dir: dir, open: c.open},
		seen:    map[string]fs.FileInfo{},
		emptied: map[string]time.Time{},
	}, nil
}

func (g *group) close() {
	for _, w := range g.watchers {
		w.eyes.close()
	}
}

// start watches, then reads: what changes in between is read twice, not missed.
func (g *group) start() error {
	for _, w := range g.watchers {
		if err := w.start(); err != nil {
			return fmt.Errorf("watch manifests: %w", err)
		}
	}
	u, _ := g.state.update()
	g.deliver(u)
	return nil
}

func (w *watcher) start() error {
	w.look()
	names, err := w.source.names()
	if err != nil {
		return err
	}
	now := time.Now()
	for _, name := range names {
		if err := w.visit(name, now); err != nil && w.source.only != "" {
			return err
		}
	}
	return nil
}

// What a loop waits for, before the events and errors of each watcher.
const (
	ended = iota
	alarmed
	rescanned
	others
)

func (g *group) loop(ctx context.Context) {
	rescan := time.NewTicker(g.config.rescan)
	defer rescan.Stop()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		alarm.Stop()
		if at := g.alarm(); !at.IsZero() {
			alarm.Reset(time.Until(at))
		}
		which, value, ok := reflect.Select(g.cases(ctx.Done(), alarm.C, rescan.C))
		switch which {
		case ended:
			return
		case alarmed:
			g.settle(time.Now())
		case rescanned:
			g.rescan(time.Now())
		default:
			e, isEvent := value.Interface().(fsnotify.Event)
			g.heard(g.watchers[(which-others)/2], e, isEvent, ok)
		}
	}
}

// cases are the channels to wait for: as many as there are paths, so no select statement has them.
func (g *group) cases(done <-chan struct{}, alarm, rescan <-chan time.Time) []reflect.SelectCase {
	var all []reflect.SelectCase
	add := func(channel any) {
		all = append(all, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(channel)})
	}
	add(done)
	add(alarm)
	add(rescan)
	for _, w := range g.watchers {
		add(w.eyes.events())
		add(w.eyes.errors())
	}
	return all
}

// alarm is when the first reading is due; zero if none is.
func (g *group) alarm() time.Time {
	var first time.Time
	for _, w := range g.watchers {
		if at := w.agenda.alarm; first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	return first
}

// heard puts down what a watcher was told. An error is an overflow, or worse: what was lost is not
// known. A file that was renamed may be another path's now, so all look around with it.
func (g *group) heard(w *watcher, e fsnotify.Event, isEvent, ok bool) {
	now := time.Now()
	if !isEvent {
		w.agenda.note("", now)
		return
	}
	w.event(e, ok)
	if _, around := w.agenda.dates[""]; around {
		for _, other := range g.watchers {
			other.agenda.note("", now)
		}
	}
}

// rescan looks at all paths, whatever was heard.
func (g *group) rescan(now time.Time) {
	for _, w := range g.watchers {
		w.rescan(now)
	}
	g.flush()
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
