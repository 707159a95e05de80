package manifests

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// eyes watch a folder, and its parent for the folder's own coming and going (a
// watch is on an inode; the folder is a path). Blind eyes, for want of inotify
// instances or of memory, are no failure: the rescan sees the same, later.
type eyes struct {
	dir     string // absolute
	open    func() (*fsnotify.Watcher, error)
	watcher *fsnotify.Watcher // nil while blind
	on      fs.FileInfo       // the folder that is watched; nil = none for certain
}

// look makes sure that the folder which now has the path is the one watched.
// What changed before it returns may have gone unseen.
func (e *eyes) look() error {
	info, err := os.Stat(e.dir)
	if err != nil || e.on != nil && os.SameFile(info, e.on) {
		return nil // a folder that is not there is for the reader to report
	}
	if e.watcher == nil {
		if e.watcher, err = e.open(); err != nil {
			e.watcher = nil
			return fmt.Errorf("watch: %w", err)
		}
	}
	// The library keeps watches by path: the old inode's has to go first. Both
	// errors only say that there was nothing to remove, or no right to watch the
	// parent, without which a folder's return is seen by the next rescan.
	_ = e.watcher.Remove(e.dir)
	_ = e.watcher.Add(e.parent())
	if err := e.watcher.Add(e.dir); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	e.on = info
	return nil
}

func (e *eyes) parent() string { return filepath.Dir(e.dir) }

// forget makes the next look renew the watch.
func (e *eyes) forget() { e.on = nil }

// events is where the kernel speaks; nil, which blocks for ever, while blind.
func (e *eyes) events() <-chan fsnotify.Event {
	if e.watcher == nil {
		return nil
	}
	return e.watcher.Events
}

// errors is where lost events are told; nil while blind.
func (e *eyes) errors() <-chan error {
	if e.watcher == nil {
		return nil
	}
	return e.watcher.Errors
}

// close makes the eyes blind; look opens them again.
func (e *eyes) close() {
	if e.watcher != nil {
		_ = e.watcher.Close()
	}
	e.watcher, e.on = nil, nil
}
