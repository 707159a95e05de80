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
func (w *watcher) settle(now time.Time) {
	due := w.agenda.take(now)
	if len(due) == 0 {
		return
	}
	// What a file stated may have moved to another one: before it is told as gone
	// all that has been written is read, at rest or not.
	if slices.ContainsFunc(due, w.gone) {
		due = append(due, w.agenda.takeAll()...)
		slices.Sort(due)
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
	w.flush()
}

// gone says whether a name that is due has no file any more.
func (w *watcher) gone(name string) bool {
	_, err := os.Lstat(w.source.file(name))
	return name != "" && errors.Is(err, fs.ErrNotExist)
}

// flush ends a round and delivers what is new.
func (w *watcher) flush() {
	if u, fresh := w.state.update(); fresh {
		w.deliver(u)
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
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[w.source.file(name)] = true
		if w.changed(name) {
			w.agenda.note(name, now)
		}
	}
	for path := range w.state.files {
		if !there[path] {
			w.agenda.note(filepath.Base(path), now)
		}
	}
}

// look renews the watch where needed and sets or clears the path's problem.
func (w *watcher) look() {
	w.state.path = nil
	if err := w.eyes.look(); err != nil {
		w.pathProblem(fmt.Errorf("%w (changes are seen every %v only)", err, w.config.rescan))
	}
}

func (w *watcher) pathProblem(err error) {
	w.state.path = append(w.state.path, Problem{File: w.source.path, Err: err})
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
	path := w.source.file(name)
	data, info, err := w.source.read(name)
	delete(w.seen, name)
	if err == nil && w.held(name, len(data), now) {
		return nil
	}
	delete(w.emptied, name)
	if err == nil && !racy(info.ModTime(), now) {
		w.seen[name] = info
	}
	w.state.take(path, data, err)
	return err
}

// held says whether an emptied file is not to be believed yet.
func (w *watcher) held(name string, size int, now time.Time) bool {
	if size > 0 || !w.state.states(w.source.file(name)) {
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
