package cluster

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// server is a client of an API server that has pods.
type server struct {
	answer         func() error             // to every call; nil: always well
	watched        func(*watch.FakeWatcher) // what becomes of a watch; nil: nothing
	items          func(list int32) int     // how many pods a list has, by its number; nil: none
	asked          metav1.ListOptions       // for the last list
	lists, watches atomic.Int32             // that went well
}

func (s *server) List(_ context.Context, o metav1.ListOptions) (*corev1.PodList, error) {
	s.asked = o
	if s.answer != nil {
		if err := s.answer(); err != nil {
			return nil, err
		}
	}
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	if number := s.lists.Add(1); s.items != nil {
		list.Items = make([]corev1.Pod, s.items(number))
	}
	return list, nil
}

func (s *server) Watch(context.Context, metav1.ListOptions) (watch.Interface, error) {
	if s.answer != nil {
		if err := s.answer(); err != nil {
			return nil, err
		}
	}
	s.watches.Add(1)
	w := watch.NewFake()
	if s.watched != nil {
		go s.watched(w)
	}
	return w, nil
}

// An empty list is asked for once more before it is believed, also the first list, and only an
// empty one.
func TestAnEmptyListIsConfirmed(t *testing.T) {
	for _, row := range []struct {
		name        string
		items       []int // of the lists, in turn
		calls       int   // of ListWithContext
		want, lists int   // items of the last call, lists that it took in all
	}{
		{"a mistake", []int{2, 0, 2}, 2, 2, 3},
		{"the truth", []int{2, 0, 0}, 2, 0, 3},
		{"nothing yet", []int{0, 0, 0, 0}, 2, 0, 4},
		{"a mistake at first", []int{0, 2}, 1, 2, 2},
		{"never empty", []int{1, 3}, 2, 3, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{items: func(list int32) int { return row.items[list-1] }}
			listWatch := listWatchOf(s)
			got := -1
			for range row.calls {
				list, err := listWatch.ListWithContext(t.Context(),
					metav1.ListOptions{ResourceVersion: "0"})
				if err != nil {
					t.Fatal(err)
				}
				got = meta.LenList(list)
			}
			if lists := int(s.lists.Load()); got != row.want || lists != row.lists {
				t.Errorf("%s: %d items after %d lists, want %d after %d",
					row.name, got, lists, row.want, row.lists)
			}
		})
	}
}

// Whatever version a reflector asks for, the list is of the newest state.
func TestAListIsOfTheNewestState(t *testing.T) {
	for _, version := range []string{"0", "7", ""} {
		s := &server{items: func(int32) int { return 1 }}
		asked := metav1.ListOptions{ResourceVersion: version, Limit: 500}
		_, err := listWatchOf(s).ListWithContext(t.Context(), asked)
		if want := (metav1.ListOptions{Limit: pageSize}); err != nil || s.asked != want {
			t.Errorf("version %s: asked for %+v, %v", version, s.asked, err)
		}
	}
}

// However long the server was away, the next call comes within 2.5 seconds, and there were not
// many meanwhile.
func TestCallsAreRepeatedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const away = time.Hour
		start, attempts, reported := time.Now(), 0, error(nil)
		attempt, longest := start, time.Duration(0)
		s := &server{answer: func() error {
			attempts++
			longest = max(longest, time.Since(attempt))
			attempt = time.Now()
			if time.Since(start) < away {
				return errors.New("refused")
			}
			return nil
		}}
		listWatch := newListWatch("pods", s, newConverter().convert, listener{func(err error) {
			reported = err
		}, func() {}})
		if _, err := listWatch.ListWithContext(t.Context(), metav1.ListOptions{}); err != nil {
			t.Error(err)
		}
		if most := int(away/(2*time.Second)) + 10; longest > 2500*time.Millisecond ||
			attempts > most {
			t.Errorf("%d attempts (at most %d), up to %s apart", attempts, most, longest)
		}
		if reported == nil || reported.Error() != "list pods: refused" {
			t.Errorf("reported %v: a list alone does not say that changes will come", reported)
		}
		w, err := listWatch.WatchWithContext(t.Context(), metav1.ListOptions{})
		if err != nil || reported != nil {
			t.Errorf("watch: %v, reported %v", err, reported)
		}
		w.Stop()
	})
}

// A call is not repeated if that cannot help: after ctx has ended, and for versions that the
// server does not know.
func TestSomeCallsAreNotRepeated(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	tooLarge := apierrors.NewTimeoutError("too large resource version", 1)
	tooLarge.ErrStatus.Details.Causes = []metav1.StatusCause{
		{Type: metav1.CauseTypeResourceVersionTooLarge},
	}
	for _, c := range []struct {
		ctx context.Context
		err error
	}{
		{t.Context(), apierrors.NewResourceExpired("too old")},
		{t.Context(), &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonGone}}},
		{t.Context(), tooLarge},
		{ended, errors.New("refused")},
	} {
		ctx, cancel := context.WithTimeout(c.ctx, time.Second)
		failing := &server{answer: func() error { return c.err }}
		listWatch := newListWatch("pods", failing, newConverter().convert, listener{func(err error) {
			t.Errorf("reported %v", err)
		}, func() {}})
		if _, err := listWatch.ListWithContext(ctx, metav1.ListOptions{}); err != c.err {
			t.Errorf("list: got %v, want %v", err, c.err)
		}
		if w, err := listWatch.WatchWithContext(ctx, metav1.ListOptions{}); err != c.err ||
			w != nil {
			t.Errorf("watch: got %v, %v, want %v", w, err, c.err)
		}
		cancel()
	}
}

// A watch lasts a second at least, unless the reflector is to list everything.
func TestWatchesLast(t *testing.T) {
	status := func(code int32, reason metav1.StatusReason) *metav1.Status {
		return &metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason}
	}
	for _, c := range []struct {
		name    string
		watched func(*watch.FakeWatcher)
		events  int
		lasting time.Duration
	}{
		{"cut at once", func(w *watch.FakeWatcher) { w.Stop() }, 0, minWatch},
		{"cut after an event", func(w *watch.FakeWatcher) {
			w.Add(&corev1.Pod{})
			w.Stop()
		}, 1, minWatch},
		{"cut later", func(w *watch.FakeWatcher) {
			time.Sleep(time.Hour)
			w.Stop()
		}, 0, time.Hour},
		{"another error", func(w *watch.FakeWatcher) {
			w.Error(status(http.StatusInternalServerError, metav1.StatusReasonInternalError))
		}, 0, minWatch},
		{"the version is gone", func(w *watch.FakeWatcher) {
			w.Error(status(http.StatusGone, metav1.StatusReasonExpired))
			w.Stop()
		}, 1, minWatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, events := time.Now(), 0
				w, err := watchOf(t.Context(), &server{watched: c.watched})
				if err != nil {
					t.Fatal(err)
				}
				for range w.ResultChan() {
					events++
				}
				if took := time.Since(start); took != c.lasting || events != c.events {
					t.Errorf("%d events in %s, want %d in %s", events, took, c.events, c.lasting)
				}
			})
		})
	}
}

// A watch that goes back in time ends there, with an error that asks for a list.
func TestAWatchNeverGoesBack(t *testing.T) {
	initial := true
	fromFour := metav1.ListOptions{ResourceVersion: "4"}
	initialEvents := metav1.ListOptions{ResourceVersion: "4", SendInitialEvents: &initial}
	for _, c := range []struct {
		name    string
		from    metav1.ListOptions
		sent    []string // versions
		passed  int
		ordered bool
	}{
		{"in order", fromFour, []string{"5", "9", "10"}, 3, true},
		{"the same again", fromFour, []string{"5", "5", "9"}, 3, true},
		{"the old one after the new one", fromFour, []string{"5", "9", "5"}, 2, false},
		{"older than the list", fromFour, []string{"3"}, 0, false},
		{"no numbers", fromFour, []string{"b", "", "a"}, 3, true},
		{"all objects, in any order", initialEvents, []string{"3", "1"}, 2, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{watched: func(w *watch.FakeWatcher) {
				for _, version := range c.sent {
					w.Modify(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version}})
				}
				w.Stop()
			}}
			w, err := listWatchOf(s).WatchWithContext(t.Context(), c.from)
			if err != nil {
				t.Fatal(err)
			}
			passed, ordered := 0, true
			for e := range w.ResultChan() {
				if e.Type != watch.Error {
					passed++
				} else if ordered = false; !apierrors.IsResourceExpired(
					apierrors.FromObject(e.Object)) {
					t.Errorf("%s: %v", c.name, e.Object)
				}
			}
			if passed != c.passed || ordered != c.ordered {
				t.Errorf("%s: %d events passed, ordered: %t", c.name, passed, ordered)
			}
		})
	}
}

// No goroutine is left of a watch that nobody reads any more: the synctest bubble could not end.
func TestWatchIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{watched: func(w *watch.FakeWatcher) { w.Add(&corev1.Pod{}) }}
		w, err := watchOf(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.Stop()
	})
}

// After a watch was cut it is resumed, without another list, however often that happens.
func TestAStoreResumesItsWatch(t *testing.T) {
	t.Parallel()
	s := &server{items: func(int32) int {
		return 1
	}, watched: func(w *watch.FakeWatcher) {
		w.Stop()
	}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go newPodStore(s).run(ctx)
	eventually(t, "three watches", func() bool { return s.watches.Load() == 3 })
	if n := s.lists.Load(); n != 1 {
		t.Errorf("%d lists, want 1", n)
	}
}

// listWatchOf returns how pods of a server are listed and watched. What fails is not reported.
func listWatchOf(s *server) *cache.ListWatch {
	return newListWatch("pods", s, newConverter().convert, deaf)
}

func watchOf(ctx context.Context, s *server) (watch.Interface, error) {
	return listWatchOf(s).WatchWithContext(ctx, metav1.ListOptions{})
}

// newPodStore returns a store of the pods of a server, which passes nothing on.
func newPodStore(s *server) *store {
	c := newConverter()
	return newStore(newListWatch("pods", s, c.convert, deaf), &corev1.Pod{}, c)
}

// eventually waits until a condition holds, and fails the test if it does not within 10 seconds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// deaf is told, and does nothing.
var deaf = listener{func(error) {}, func() {}}
