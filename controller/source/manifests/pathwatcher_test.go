package manifests

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// still has started on folders, one watcher each, and the test makes up their events.
func still(t *testing.T, v *view, dirs ...string) (*group, *watcher) {
	t.Helper()
	blind := func() (*fsnotify.Watcher, error) { return nil, errors.New("blind") }
	g, err := newGroup(dirs, config{open: blind}.usual(), v.apply)
	must(t, err)
	must(t, g.start())
	return g, g.watchers[0]
}

// The second event of a rename comes late: the first one alone takes nothing away.
func TestRoundOfARename(t *testing.T) {
	for name, target := range map[string]string{"new name": "z.yaml", "over another": "a.yaml"} {
		t.Run(name, func(t *testing.T) {
			dir, v := t.TempDir(), &view{}
			write(t, dir, map[string]string{"a.yaml": podsYAML("p"), "b.yaml": podsYAML("p", "q")})
			g, w := still(t, v, dir)
			must(t, os.Rename(filepath.Join(dir, "b.yaml"), filepath.Join(dir, target)))
			w.event(fsnotify.Event{Name: filepath.Join(dir, "b.yaml"), Op: fsnotify.Rename}, true)
			now := time.Now().Add(w.config.quiet)
			g.settle(now) // looks around
			w.event(fsnotify.Event{Name: filepath.Join(dir, target), Op: fsnotify.Create}, true)
			g.settle(now.Add(w.config.quiet))
			if got := changes(v.last); got != "" || v.summary() != "pod/default/p@n1 pod/default/q@n1" {
				t.Errorf("%s, changes %q", v.summary(), got)
			}
		})
	}
}

// What is gone is told with all that is pending, at rest or not.
func TestRoundWithSomethingGone(t *testing.T) {
	dir, v := t.TempDir(), &view{}
	write(t, dir, map[string]string{"a.yaml": podsYAML("p")})
	g, w := still(t, v, dir)
	must(t, os.Remove(filepath.Join(dir, "a.yaml")))
	write(t, dir, map[string]string{"b.yaml": podsYAML("p")})
	now := time.Now()
	w.agenda.note("a.yaml", now)
	w.agenda.note("b.yaml", now.Add(4*time.Millisecond))
	g.settle(now.Add(5 * time.Millisecond))
	if v.updates != 1 || len(w.agenda.dates) != 0 {
		t.Errorf("%d updates, last %+v, pending %v", v.updates, v.last, w.agenda.dates)
	}
}

// A file read just after it was written is not trusted to show the next write.
func TestRescanReadsFreshFilesAgain(t *testing.T) {
	dir, v := t.TempDir(), &view{}
	path := filepath.Join(dir, "a.yaml")
	write(t, dir, map[string]string{"a.yaml": podYAML("p", "n1"), "b.yaml": podYAML("q", "n1")})
	hourAgo := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, "b.yaml"), hourAgo, hourAgo))
	_, w := still(t, v, dir)
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(podYAML("p", "n2")), 0o644)) // the same size, and:
	must(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	now := time.Now()
	w.rescan(now)
	if got := w.agenda.takeAll(); len(got) != 1 || got[0] != "a.yaml" {
		t.Errorf("to be read: %v", got)
	}
}

// The second event of a rename into another path's folder comes late: the first takes nothing away.
func TestRoundOfARenameIntoAnotherPath(t *testing.T) {
	one, two, v := t.TempDir(), t.TempDir(), &view{}
	write(t, one, map[string]string{"a.yaml": podsYAML("p")})
	g, w := still(t, v, one, two)
	must(t, os.Rename(filepath.Join(one, "a.yaml"), filepath.Join(two, "z.yaml")))
	g.heard(w, fsnotify.Event{Name: filepath.Join(one, "a.yaml"), Op: fsnotify.Rename}, true, true)
	now := time.Now().Add(w.config.quiet)
	g.settle(now) // looks around
	g.settle(now.Add(w.config.quiet))
	if got := changes(v.last); got != "" && got != "+p" || v.summary() != "pod/default/p@n1" || v.updates > 2 {
		t.Errorf("%s, changes %q", v.summary(), got)
	}
}
