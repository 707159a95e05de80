package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestDoComesHome(t *testing.T) {
	needKernel(t)
	ns, err := NewNetns()
	if err != nil {
		t.Fatal(err)
	}
	outside := namespaceOfThread(t)
	var inside string
	if err := ns.Do(func() error { inside = namespaceOfThread(t); return nil }); err != nil {
		t.Fatal(err)
	}
	if inside == outside || namespaceOfThread(t) != outside {
		t.Errorf("outside %s, inside %s", outside, inside)
	}
	failure := errors.New("failure")
	if err := ns.Do(func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("error of the function: %v", err)
	}
	if err := ns.Do(func() error {
		runtime.Goexit()
		return nil
	}); !errors.Is(err, errNotReturned) {
		t.Errorf("after Goexit: %v", err)
	}
	if err := ns.Close(); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []Netns{ns, {}} {
		if err := gone.Do(func() error { t.Error("it ran"); return nil }); err == nil {
			t.Error("no error from a namespace that is not held")
		}
	}
	threadsAtHome(t)
}

func TestCloseLeavesNothing(t *testing.T) {
	needKernel(t)
	lifetime(t) // the runtime's own goroutines, threads and descriptors
	runtime.GC()
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	for range 3 {
		lifetime(t)
	}
	eventually(t, fmt.Sprintf("%d files and %d goroutines", files, goroutines), func() bool {
		return openFiles(t) <= files && runtime.NumGoroutine() <= goroutines
	})
	threadsAtHome(t)
}

// lifetime is a cluster from New to Close, with all that it can have.
func lifetime(t *testing.T) {
	t.Helper()
	c, err := New(threeNodes())
	if err != nil {
		t.Fatal(err)
	}
	pods := append(podsPerNode(1), Pod{Name: "kube-system/host", Node: "a", HostNetwork: true})
	start(t, c, pods...)
	for _, at := range []string{"a", "default/a0", "kube-system/host"} {
		if _, err := c.Sniff(at, func([]byte) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	want(t, c, Open, allPairs(pods)...)
	want(t, c, Refused, between(pods[0], pods[1], closedPort)...)
	if err := c.DeletePod(pods[0].Name); err != nil {
		t.Fatal(err)
	}
	want(t, c, Silent, between(pods[1], pods[0], webPort)...)
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := c.AddPod(pods[0]); !errors.Is(err, ErrNotFound) {
		t.Errorf("add a pod to a closed cluster: %v", err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func namespaceOfThread(t *testing.T) string {
	t.Helper()
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Error(err)
	}
	return name
}

// threadsAtHome demands that no thread of the process stays in another namespace.
func threadsAtHome(t *testing.T) {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "every thread in "+home, func() bool {
		threads, _ := filepath.Glob("/proc/self/task/*/ns/net")
		for _, thread := range threads {
			if at, err := os.Readlink(thread); err == nil && at != home {
				return false
			}
		}
		return len(threads) > 0
	})
}
