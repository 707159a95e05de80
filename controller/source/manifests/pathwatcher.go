package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// pathWatcher watches one path, a folder or a file.
type pathWatcher struct {
	config   config
	root     root
	state    *state // of all paths
	schedule *schedule
	notify   *folderWatch
	lastRead map[string]fs.FileInfo // by name; only those that can be compared
	emptied  map[string]time.Time   // since when a file that states objects has been empty
	missing  bool                   // the path could not be read at the last rescan
}

// newPathWatcher returns a watcher that has read nothing and gets no events before start. The
// error says that a file which was asked for cannot be watched, such as a device.
func newPathWatcher(r root, c config, s *state) (*pathWatcher, error) {
	if r.file != "" {
		if err := checkRegular(r.path); err != nil {
			return nil, fmt.Errorf("%s: %w", r.path, err)
		}
	}
	dir, err := filepath.Abs(r.folder())
	if err != nil {
		return nil, err
	}
	return &pathWatcher{
		config:   c,
		root:     r,
		state:    s,
		schedule: newSchedule(c.quiet, c.most),
		notify:   &folderWatch{dir: dir, open: c.open},
		lastRead: map[string]fs.FileInfo{},
		emptied:  map[string]time.Time{},
	}, nil
}

// start watches, then reads: what changes in between is read twice, not missed.
func (p *pathWatcher) start() error {
	p.renewWatch()
	names, err := p.root.names()
	if err != nil {
		return err
	}
	now := time.Now()
	for _, name := range names {
		if err := p.readFile(name, now); err != nil && p.root.file != "" {
			return err
		}
	}
	return nil
}

// handleEvent schedules what one event is about; open is false once there are no more events.
func (p *pathWatcher) handleEvent(e fsnotify.Event, open bool) {
	now, path := time.Now(), filepath.Clean(e.Name)
	dir, name := filepath.Dir(path), filepath.Base(path)
	switch {
	case !open:
		p.notify.close()
		p.schedule.changed("", now)
	case path == p.notify.dir || path == p.notify.parent():
		p.notify.invalidate()
		p.schedule.changed("", now)
	case dir != p.notify.dir: // beside the folder, in its parent
	case strings.HasPrefix(name, ".."): // ..data: the links of a ConfigMap mount lead elsewhere
		p.schedule.changed("", now)
	case !p.root.includes(name):
	case e.Has(fsnotify.Rename): // it is gone; the rescan finds it under its new name too
		p.schedule.changed("", now)
	default:
		p.schedule.changed(name, now)
	}
}

// read reads the names that are due, sorted.
func (p *pathWatcher) read(due []string, now time.Time) {
	if len(due) == 0 {
		return
	}
	// If the path is gone, that does not mean that its files are deleted: the rescan reports it,
	// and finds what changed once the path is back.
	_, err := os.Stat(p.root.path)
	if due[0] == "" || err != nil || p.missing {
		p.rescan(now)
	}
	for _, name := range due {
		if name != "" && !p.missing {
			_ = p.readFile(name, now) // the state holds the error
		}
	}
}

// isGone reports whether a name has no file any more.
func (p *pathWatcher) isGone(name string) bool {
	_, err := os.Lstat(p.root.pathOf(name))
	return name != "" && errors.Is(err, fs.ErrNotExist)
}

// rescan schedules every name that has changed without an event, and reports what is wrong with the
// path.
func (p *pathWatcher) rescan(now time.Time) {
	p.renewWatch()
	names, err := p.root.names()
	if p.missing = err != nil; p.missing {
		p.addProblem(fmt.Errorf("%w (its last state stays)", err))
		return
	}
	there := make(map[fileID]bool, len(names))
	for _, name := range names {
		there[p.root.id(name)] = true
		if p.hasChanged(name) {
			p.schedule.changed(name, now)
		}
	}
	for id := range p.state.files {
		if id.rank == p.root.rank && !there[id] {
			p.schedule.changed(filepath.Base(id.path), now)
		}
	}
}

// renewWatch makes sure that there are events about the folder, and sets or clears the path's
// problem.
func (p *pathWatcher) renewWatch() {
	delete(p.state.pathProblems, p.root.rank)
	if err := p.notify.renew(); err != nil {
		p.addProblem(fmt.Errorf("%w (changes are seen every %v only)", err, p.config.rescan))
	}
}

// addProblem reports a problem of the path itself.
func (p *pathWatcher) addProblem(err error) {
	all, rank := p.state.pathProblems, p.root.rank
	all[rank] = append(all[rank], Problem{File: p.root.path, Err: err})
}

// hasChanged compares a file by inode, size and modification time with what was last read.
func (p *pathWatcher) hasChanged(name string) bool {
	last, read := p.lastRead[name]
	if !read {
		return true
	}
	info, err := os.Stat(p.root.pathOf(name))
	return err != nil || !sameStat(last, info)
}

// readFile reads one name into the state. It returns the error of the reading.
func (p *pathWatcher) readFile(name string, now time.Time) error {
	data, info, err := p.root.read(name)
	delete(p.lastRead, name)
	if err == nil && p.awaitsContent(name, len(data), now) {
		return nil
	}
	delete(p.emptied, name)
	if err == nil && !isRecent(info.ModTime(), now) {
		p.lastRead[name] = info
	}
	p.state.setRead(p.root.id(name), data, err)
	return err
}

// awaitsContent reports whether an emptied file is not to be believed yet: a shell empties a file
// long before the command that fills it has written anything.
func (p *pathWatcher) awaitsContent(name string, size int, now time.Time) bool {
	if size > 0 || !p.state.hasObjects(p.root.id(name)) {
		return false
	}
	since, waiting := p.emptied[name]
	if !waiting {
		since = now
		p.emptied[name] = now
	}
	believed := since.Add(p.config.empty)
	if now.Before(believed) {
		p.schedule.setDue(name, believed)
		return true
	}
	return false
}

// isRecent reports whether a file was written so shortly before it was read that the next write
// could leave the same modification time: kernels stamp with a clock of some milliseconds, some
// filesystems of two seconds. The rescan reads such a file again.
func isRecent(written, read time.Time) bool {
	return read.Sub(written).Abs() < 2*time.Second
}
