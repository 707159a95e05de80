package manifests

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// newQuietWatcher returns a watcher of folders that has started and gets no events but those of the
// test, with its first path.
func newQuietWatcher(t *testing.T, v *view, dirs ...string) (*watcher, *pathWatcher) {
	t.Helper()
	closed := func() (*fsnotify.Watcher, error) { return nil, errors.New("no events") }
	w, err := newWatcher(dirs, config{open: closed}.withDefaults(), v.apply)
	must(t, err)
	must(t, w.start())
	return w, w.paths[0]
}

// The second event of a rename comes late: the first one alone deletes no object.
func TestRename(t *testing.T) {
	for name, target := range map[string]string{"new name": "z.yaml", "over another": "a.yaml"} {
		t.Run(name, func(t *testing.T) {
			dir, v := t.TempDir(), &view{}
			write(t, dir, map[string]string{"a.yaml": podsYAML("p"), "b.yaml": podsYAML("p", "q")})
			w, p := newQuietWatcher(t, v, dir)
			must(t, os.Rename(filepath.Join(dir, "b.yaml"), filepath.Join(dir, target)))
			p.handleEvent(fsnotify.Event{Name: filepath.Join(dir, "b.yaml"), Op: fsnotify.Rename},
				true)
			now := time.Now().Add(p.config.quiet)
			w.readDue(now) // compares all files
			p.handleEvent(fsnotify.Event{Name: filepath.Join(dir, target), Op: fsnotify.Create},
				true)
			w.readDue(now.Add(p.config.quiet))
			if got := changes(v.last); got != "" ||
				v.summary() != "pod/default/p@n1 pod/default/q@n1" {
				t.Errorf("%s, changes %q", v.summary(), got)
			}
		})
	}
}

// What is gone is delivered with all that is scheduled, due or not.
func TestGoneFileIsReadWithOthers(t *testing.T) {
	dir, v := t.TempDir(), &view{}
	write(t, dir, map[string]string{"a.yaml": podsYAML("p")})
	w, p := newQuietWatcher(t, v, dir)
	must(t, os.Remove(filepath.Join(dir, "a.yaml")))
	write(t, dir, map[string]string{"b.yaml": podsYAML("p")})
	now := time.Now()
	p.schedule.changed("a.yaml", now)
	p.schedule.changed("b.yaml", now.Add(4*time.Millisecond))
	w.readDue(now.Add(5 * time.Millisecond))
	if v.updates != 1 || len(p.schedule.names) != 0 {
		t.Errorf("%d updates, last %+v, pending %v", v.updates, v.last, p.schedule.names)
	}
}

// A file that was read just after it was written is read again: its time may not show the next
// write.
func TestRescanReadsFreshFilesAgain(t *testing.T) {
	dir, v := t.TempDir(), &view{}
	path := filepath.Join(dir, "a.yaml")
	write(t, dir, map[string]string{"a.yaml": podYAML("p", "n1"), "b.yaml": podYAML("q", "n1")})
	hourAgo := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, "b.yaml"), hourAgo, hourAgo))
	_, p := newQuietWatcher(t, v, dir)
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(podYAML("p", "n2")), 0o644)) // the same size, and:
	must(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	now := time.Now()
	p.rescan(now)
	if got := p.schedule.takeAll(); len(got) != 1 || got[0] != "a.yaml" {
		t.Errorf("to be read: %v", got)
	}
}

// The second event of a rename into the folder of another path comes late: the first deletes no
// object.
func TestRenameIntoAnotherPath(t *testing.T) {
	one, two, v := t.TempDir(), t.TempDir(), &view{}
	write(t, one, map[string]string{"a.yaml": podsYAML("p")})
	w, p := newQuietWatcher(t, v, one, two)
	must(t, os.Rename(filepath.Join(one, "a.yaml"), filepath.Join(two, "z.yaml")))
	w.handleEvent(p, fsnotify.Event{Name: filepath.Join(one, "a.yaml"), Op: fsnotify.Rename}, true)
	now := time.Now().Add(p.config.quiet)
	w.readDue(now) // compares all files
	w.readDue(now.Add(p.config.quiet))
	got := changes(v.last)
	if got != "" && got != "+p" || v.summary() != "pod/default/p@n1" || v.updates > 2 {
		t.Errorf("%s, changes %q", v.summary(), got)
	}
}
