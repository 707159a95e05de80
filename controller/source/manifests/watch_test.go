package manifests

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watched is a running Watch and what it has delivered.
type watched struct {
	t    testing.TB
	mu   sync.Mutex // guards view and seen
	view view
	seen map[string]bool // every summary that ever was
	more chan struct{}   // something was delivered
}

// follow watches a path until the test ends.
func follow(t testing.TB, path string, c config) *watched { return followAll(t, c, path) }

func followAll(t testing.TB, c config, paths ...string) *watched {
	t.Helper()
	w := &watched{t: t, seen: map[string]bool{}, more: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- watch(ctx, paths, c, w.deliver) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	w.until("the first update", func(v *view) bool { return v.updates > 0 })
	return w
}

func (w *watched) deliver(u Update) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.view.apply(u)
	w.seen[w.view.summary()] = true
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// until waits for something to hold, at most half a minute.
func (w *watched) until(what string, holds func(*view) bool) {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		ok := holds(&w.view)
		state := fmt.Sprintf("%q, problems %v", w.view.summary(), w.view.last.Problems)
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-w.more:
		case <-deadline:
			w.t.Fatalf("no %s; have %s", what, state)
		}
	}
}

// becomes waits for these objects.
func (w *watched) becomes(want string) {
	w.t.Helper()
	w.until(want, func(v *view) bool { return v.summary() == want })
}

// complains waits for exactly one problem, with this text in its line, or for none if it is empty.
func (w *watched) complains(text string) {
	w.t.Helper()
	w.until("problem "+text, func(v *view) bool {
		if all := v.last.Problems; len(all) == 1 && text != "" {
			return strings.Contains(all[0].Error(), text)
		} else {
			return len(all) == 0 && text == ""
		}
	})
}

// never checks that these objects were at no time all that there was.
func (w *watched) never(summary string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[summary] {
		w.t.Errorf("%q was delivered", summary)
	}
}

// Each change of a file is delivered.
func TestWatchDeliversChanges(t *testing.T) {
	dir := t.TempDir()
	w := follow(t, dir, config{})
	swap(t, dir, "a.yaml", podsYAML("a"))
	w.becomes("pod/default/a@n1")
	swap(t, dir, "a.yaml", podYAML("a", "n2"))
	w.becomes("pod/default/a@n2")
	write(t, dir, map[string]string{
		"b.json": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}`,
		"c.txt":  podsYAML("c"),
	})
	w.becomes("pod/default/a@n2 pod/default/b")
	must(t, os.Remove(filepath.Join(dir, "a.yaml")))
	w.becomes("pod/default/b")
	must(t, os.Remove(filepath.Join(dir, "b.json")))
	w.becomes("")
	w.complains("")
}

// A file under a new name states what it stated: nothing is gone in between.
func TestWatchRename(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": podsYAML("a"), "b.yaml": podsYAML("b")})
	w := follow(t, dir, config{})
	must(t, os.Rename(filepath.Join(dir, "b.yaml"), filepath.Join(dir, "z.yaml")))
	swap(t, dir, "a.yaml", podYAML("a", "n2"))
	w.becomes("pod/default/a@n2 pod/default/b@n1")
	w.never("pod/default/a@n1")
	w.never("pod/default/a@n2")
}

// Only the objects of a file that changed are delivered.
func TestWatchDeliversOnlyChanges(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": podsYAML("a", "b", "c"), "b.yaml": podsYAML("d")})
	w := follow(t, dir, config{})
	swap(t, dir, "a.yaml", podsYAML("a", "c")+"---\n"+podYAML("b", "n2"))
	w.becomes("pod/default/a@n1 pod/default/b@n2 pod/default/c@n1 pod/default/d@n1")
	if got := changes(w.view.last); got != "+b" {
		t.Errorf("changes %q", got)
	}
}

func TestWatchSpoiledFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": podsYAML("a"), "b.yaml": podsYAML("b") + broken})
	w := follow(t, dir, config{})
	w.until("unread file", func(v *view) bool {
		return v.last.Unread && v.summary() == "pod/default/a@n1 pod/default/b@n1"
	})
	swap(t, dir, "b.yaml", podsYAML("b", "c"))
	w.until("read file", func(v *view) bool { return !v.last.Unread })
	w.complains("")
	swap(t, dir, "b.yaml", broken)
	w.complains("b.yaml: document 1: parse YAML")
	w.becomes("pod/default/a@n1 pod/default/b@n1 pod/default/c@n1")
	must(t, os.Remove(filepath.Join(dir, "b.yaml")))
	w.becomes("pod/default/a@n1")
	w.complains("")
}

func TestWatchTakesOver(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": podYAML("p", "n1"), "b.yaml": podYAML("p", "n2")})
	w := follow(t, dir, config{})
	w.complains("a.yaml: document 1: Pod default/p: ignored")
	must(t, os.Remove(filepath.Join(dir, "b.yaml")))
	w.becomes("pod/default/p@n1")
	w.complains("")
}

// A ConfigMap volume: the files are links through ..data, and an update renames
// another link over ..data. Both files change in one Update.
func TestWatchConfigMapMount(t *testing.T) {
	dir := t.TempDir()
	for version, node := range map[string]string{"..1/": "n1", "..2/": "n2"} {
		write(t, dir, map[string]string{
			version + "a.yaml": podYAML("a", node), version + "b.yaml": podYAML("b", node),
		})
	}
	must(t, os.Symlink("..1", filepath.Join(dir, "..data")))
	for _, name := range []string{"a.yaml", "b.yaml"} {
		must(t, os.Symlink("..data/"+name, filepath.Join(dir, name)))
	}
	for path, names := range map[string][2]string{
		dir: {"pod/default/a@n1 pod/default/b@n1",
			"pod/default/a@n2 pod/default/b@n2"},
		filepath.Join(dir, "a.yaml"): {"pod/default/a@n1", "pod/default/a@n2"},
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			w := follow(t, path, config{})
			w.becomes(names[0])
			for i, target := range []string{"..2", "..1"} {
				must(t, os.Symlink(target, filepath.Join(dir, "..data_tmp")))
				must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
				w.becomes(names[1-i])
			}
			if len(w.seen) != 2 {
				t.Errorf("delivered in between: %v", w.seen)
			}
		})
	}
}

// An editor cuts the file, then writes: its objects are at no time gone.
func TestWatchTruncateAndWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, dir, map[string]string{"a.yaml": podYAML("p", "n1")})
	w := follow(t, dir, config{empty: time.Hour})
	for _, node := range []string{"n2", "n3"} {
		must(t, os.WriteFile(path, nil, 0o644))
		// Whatever the pause: the change of another file is delivered in the meantime.
		swap(t, dir, "b.yaml", podYAML("other", node))
		w.until("b.yaml", func(v *view) bool {
			return strings.Contains(v.summary(), "other@"+node)
		})
		must(t, os.WriteFile(path, []byte(podYAML("p", node)), 0o644))
		w.becomes("pod/default/other@" + node + " pod/default/p@" + node)
	}
	w.never("")
	w.never("pod/default/other@n2")
	w.never("pod/default/other@n3")
}

func TestWatchBelievesAnEmptyFileInTheEnd(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": podYAML("p", "n1")})
	w := follow(t, dir, config{empty: 20 * time.Millisecond})
	must(t, os.WriteFile(filepath.Join(dir, "a.yaml"), nil, 0o644))
	w.becomes("")
	w.complains("")
}

func TestWatchFolderGoesAndComesBack(t *testing.T) {
	root := t.TempDir()
	dir, aside := filepath.Join(root, "d"), filepath.Join(root, "aside")
	write(t, dir, map[string]string{"a.yaml": podYAML("p", "n1")})
	w := follow(t, dir, config{})
	must(t, os.Rename(dir, aside))
	w.complains("(its last state stays)")
	w.becomes("pod/default/p@n1")
	write(t, aside, map[string]string{"a.yaml": podYAML("p", "n2")})
	must(t, os.Rename(aside, dir))
	w.becomes("pod/default/p@n2")
	w.complains("")
	swap(t, dir, "a.yaml", podYAML("p", "n3")) // it is watched again
	w.becomes("pod/default/p@n3")

	must(t, os.Rename(dir, aside))
	w.complains("(its last state stays)")
	write(t, aside, map[string]string{"new/a.yaml": podYAML("p", "n4")})
	must(t, os.Rename(filepath.Join(aside, "new"), dir)) // another folder of that name
	w.becomes("pod/default/p@n4")
	w.complains("")
	swap(t, dir, "a.yaml", podYAML("p", "n5"))
	w.becomes("pod/default/p@n5")
}

func TestWatchFolderBehindALink(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"one/a.yaml": podYAML("p", "n1"), "two/a.yaml": podYAML("p", "n2"),
	})
	link := filepath.Join(root, "link")
	must(t, os.Symlink("one", link))
	w := follow(t, link, config{})
	must(t, os.Symlink("two", link+"-new"))
	must(t, os.Rename(link+"-new", link))
	w.becomes("pod/default/p@n2")
	swap(t, filepath.Join(root, "two"), "a.yaml", podYAML("p", "n3"))
	w.becomes("pod/default/p@n3")
}

func TestWatchOneFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"objects": podYAML("p", "n1"), "b.yaml": podsYAML("b")})
	w := follow(t, filepath.Join(dir, "objects"), config{})
	w.becomes("pod/default/p@n1")
	swap(t, dir, "objects", podYAML("p", "n2"))
	w.becomes("pod/default/p@n2")
	must(t, os.Remove(filepath.Join(dir, "objects")))
	w.complains("(its last state stays)")
	w.becomes("pod/default/p@n2")
	swap(t, dir, "objects", podYAML("p", "n3"))
	w.becomes("pod/default/p@n3")
	w.complains("")
}

func TestWatchBrokenLink(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": podYAML("p", "n1")})
	w := follow(t, dir, config{})
	must(t, os.Symlink("nowhere", filepath.Join(dir, ".link")))
	must(t, os.Rename(filepath.Join(dir, ".link"), filepath.Join(dir, "a.yaml")))
	w.complains("a.yaml: stat")
	w.becomes("pod/default/p@n1")
	must(t, os.Remove(filepath.Join(dir, "a.yaml")))
	w.becomes("")
}

// Without inotify the rescan finds everything, and the path has a Problem.
func TestWatchWithoutEvents(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": podYAML("p", "n1")})
	var mu sync.Mutex // guards refused
	refused := true
	open := func() (*fsnotify.Watcher, error) {
		mu.Lock()
		defer mu.Unlock()
		if refused {
			return nil, errors.New("too many open files")
		}
		return fsnotify.NewWatcher()
	}
	w := follow(t, dir, config{rescan: 10 * time.Millisecond, open: open})
	w.complains("watch: too many open files (changes are seen every 10ms only)")
	swap(t, dir, "a.yaml", podYAML("p", "n2"))
	w.becomes("pod/default/p@n2")
	must(t, os.Remove(filepath.Join(dir, "a.yaml")))
	w.becomes("")
	mu.Lock()
	refused = false
	mu.Unlock()
	w.complains("")
}

// Lost events, and a library that gives up, lead to a rescan.
func TestWatchLostEvents(t *testing.T) {
	for name, lose := range map[string]func(*fsnotify.Watcher){
		"overflow": func(f *fsnotify.Watcher) { f.Errors <- fsnotify.ErrEventOverflow },
		"closed":   func(f *fsnotify.Watcher) { _ = f.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"a.yaml": podYAML("p", "n1")})
			opened := make(chan *fsnotify.Watcher, 9)
			w := follow(t, dir, config{rescan: time.Hour, open: func() (*fsnotify.Watcher, error) {
				f, err := fsnotify.NewWatcher()
				opened <- f
				return f, err
			}})
			f := <-opened
			if name == "overflow" {
				must(t, f.Remove(dir)) // no events come, without an error
			}
			lostChange := func() { swap(t, dir, "a.yaml", podYAML("p", "n2")) }
			lostChange()
			lose(f)
			w.becomes("pod/default/p@n2")
		})
	}
}

func TestWatchErrorsAtTheStart(t *testing.T) {
	dir := t.TempDir()
	deliver := func(Update) { t.Error("update") }
	err := Watch(t.Context(), []string{filepath.Join(dir, "missing")}, deliver)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	err = Watch(t.Context(), []string{os.DevNull}, deliver)
	if err == nil || !strings.Contains(err.Error(), "expected one") {
		t.Errorf("error %v", err)
	}
}

func TestWatchManyFilesAtOnce(t *testing.T) {
	dir := t.TempDir()
	w := follow(t, dir, config{})
	const many = 300
	for i := range many {
		name := fmt.Sprintf("p%d", i)
		write(t, dir, map[string]string{name + ".yaml": podsYAML(name)})
	}
	w.until("all pods", func(v *view) bool { return len(v.objects) == many })
	for i := range many {
		must(t, os.Remove(filepath.Join(dir, fmt.Sprintf("p%d.yaml", i))))
	}
	w.becomes("")
	w.complains("")
}

// Several paths are one state: the later one counts, and what moves from one to another is never
// gone.
func TestWatchSeveralPaths(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"one/a.yaml": podYAML("p", "n1"), "two/a.yaml": podYAML("p", "n2"),
		"objects": podsYAML("q"), "two/m.yaml": podsYAML("m"),
	})
	path := func(name string) string { return filepath.Join(root, name) }
	w := followAll(t, config{}, path("one"), path("two"), path("objects"))
	w.becomes("pod/default/m@n1 pod/default/p@n2 pod/default/q@n1")
	w.complains("one/a.yaml: document 1: Pod default/p: ignored")
	swap(t, path("one"), "a.yaml", podYAML("p", "n3"))
	swap(t, root, "objects", podYAML("q", "n3"))
	w.becomes("pod/default/m@n1 pod/default/p@n2 pod/default/q@n3")
	must(t, os.Rename(path("two/m.yaml"), path("one/m.yaml")))
	must(t, os.Remove(path("two/a.yaml")))
	w.becomes("pod/default/m@n1 pod/default/p@n3 pod/default/q@n3")
	w.complains("")
	must(t, os.Rename(path("two"), path("away")))
	w.complains("two: ")
	swap(t, path("one"), "a.yaml", podYAML("p", "n4"))
	w.becomes("pod/default/m@n1 pod/default/p@n4 pod/default/q@n3")
	w.never("pod/default/p@n2 pod/default/q@n3")
	w.never("pod/default/p@n3 pod/default/q@n3")
}
