package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// settle reads what is due.
func (g *group) settle(now time.Time) {
	gone, count := false, 0
	due := make([][]string, len(g.watchers))
	for i, w := range g.watchers {
		due[i] = w.agenda.take(now)
		count += len(due[i])
		gone = gone || slices.ContainsFunc(due[i], w.gone)
	}
	if count == 0 {
		return
	}
	for i, w := range g.watchers {
		// What a file stated may have moved to another one: before it is told as gone
		// all that has been written is read, at rest or not.
		if gone {
			due[i] = append(due[i], w.agenda.takeAll()...)
			slices.Sort(due[i])
		}
		w.read(due[i], now)
	}
	g.flush()
}

// read reads the names that are due, sorted.
func (w *watcher) read(due []string, now time.Time) {
	if len(due) == 0 {
		return
	}
	// With the path gone its files are not: the rescan says so, and finds what
	// changed when it is back.
	_, err := os.Stat(w.source.path)
	if due[0] == "" || err != nil || w.lost {
		w.rescan(now)
	}
	for _, name := range due {
		if name != "" && !w.lost {
			_ = w.visit(name, now) // the state has it
		}
	}
}

// gone says whether a name that is due has no file any more.
func (w *watcher) gone(name string) bool {
	_, err := os.Lstat(w.source.file(name))
	return name != "" && errors.Is(err, fs.ErrNotExist)
}

// flush ends a round and delivers what is new.
func (g *group) flush() {
	if u, fresh := g.state.update(); fresh {
		g.deliver(u)
	}
}

// rescan puts down every name that changed unseen, and says what is wrong with
// the path.
func (w *watcher) rescan(now time.Time) {
	w.look()
	names, err := w.source.names()
	if w.lost = err != nil; w.lost {
		w.pathProblem(fmt.Errorf("%w (its last state stays)", err))
		return
	}
	there := make(map[fileID]bool, len(names))
	for _, name := range names {
		there[w.source.id(name)] = true
		if w.changed(name) {
			w.agenda.note(name, now)
		}
	}
	for id := range w.state.files {
		if id.rank == w.source.rank && !there[id] {
			w.agenda.note(filepath.Base(id.path), now)
		}
	}
}

// look renews the watch where needed and sets or clears the path's problem.
func (w *watcher) look() {
	delete(w.state.paths, w.source.rank)
	if err := w.eyes.look(); err != nil {
		w.pathProblem(fmt.Errorf("%w (changes are seen every %v only)", err, w.config.rescan))
	}
}

func (w *watcher) pathProblem(err error) {
	rank := w.source.rank
	w.state.paths[rank] = append(w.state.paths[rank], Problem{File: w.source.path, Err: err})
}

func (w *watcher) changed(name string) bool {
	last, ok := w.seen[name]
	if !ok {
		return true
	}
	info, err := os.Stat(w.source.file(name))
	return err != nil || !sameStat(last, info)
}

// visit reads one name and tells the state; the error is that of the reading.
func (w *watcher) visit(name string, now time.Time) error {
	data, info, err := w.source.read(name)
	delete(w.seen, name)
	if err == nil && w.held(name, len(data), now) {
		return nil
	}
	delete(w.emptied, name)
	if err == nil && !racy(info.ModTime(), now) {
		w.seen[name] = info
	}
	w.state.take(w.source.id(name), data, err)
	return err
}

// held says whether an emptied file is not to be believed yet.
func (w *watcher) held(name string, size int, now time.Time) bool {
	if size > 0 || !w.state.states(w.source.id(name)) {
		return false
	}
	since, ok := w.emptied[name]
	if !ok {
		since = now
		w.emptied[name] = now
	}
	believed := since.Add(w.config.empty)
	if now.Before(believed) {
		w.agenda.at(name, believed)
		return true
	}
	return false
}

// racy says that a file was written so shortly before it was read that the next
// write could leave the same modification time (kernels stamp with a clock of
// some milliseconds, some filesystems of two seconds): the rescan reads it again.
func racy(written, read time.Time) bool {
	return read.Sub(written).Abs() < 2*time.Second
}
