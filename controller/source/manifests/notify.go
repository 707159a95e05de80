package manifests

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// folderWatch receives the kernel's events (inotify) about a folder, and about its parent: a
// watch is on an inode, and the parent says when another folder gets the path. Without inotify,
// for want of instances or of memory, there are no events; that is no failure, since the rescan
// finds the changes later.
type folderWatch struct {
	dir     string // absolute
	open    func() (*fsnotify.Watcher, error)
	watcher *fsnotify.Watcher // nil: there are no events
	watched fs.FileInfo       // the folder that is watched; nil: it may be none
}

// renew makes sure that the folder that has the path now is the watched one. Changes before it
// returns may have no event.
func (w *folderWatch) renew() error {
	info, err := os.Stat(w.dir)
	if err != nil || w.watched != nil && os.SameFile(info, w.watched) {
		return nil // a folder that is not there is reported by whoever reads it
	}
	if w.watcher == nil {
		if w.watcher, err = w.open(); err != nil {
			w.watcher = nil
			return fmt.Errorf("watch: %w", err)
		}
	}
	// The library keeps watches by path: that of the former inode has to go first. Both errors
	// only say that there was nothing to remove, or that the parent may not be watched; then the
	// next rescan finds that the folder has come back.
	_ = w.watcher.Remove(w.dir)
	_ = w.watcher.Add(w.parent())
	if err := w.watcher.Add(w.dir); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	w.watched = info
	return nil
}

// parent returns the folder in which the watched one can be replaced.
func (w *folderWatch) parent() string { return filepath.Dir(w.dir) }

// invalidate makes the next renew watch the folder anew.
func (w *folderWatch) invalidate() { w.watched = nil }

// events returns the channel of the events: nil, which blocks for ever, while there are none.
func (w *folderWatch) events() <-chan fsnotify.Event {
	if w.watcher == nil {
		return nil
	}
	return w.watcher.Events
}

// errors returns the channel of errors, which say that events were lost: nil while there are none.
func (w *folderWatch) errors() <-chan error {
	if w.watcher == nil {
		return nil
	}
	return w.watcher.Errors
}

// close ends the events, until the next renew.
func (w *folderWatch) close() {
	if w.watcher != nil {
		_ = w.watcher.Close()
	}
	w.watcher, w.watched = nil, nil
}
