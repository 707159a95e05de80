package main

import (
	"os"
	"testing"
)

// TestStateIsNeverHalf reads the state, as nodes do, while it is saved again and again.
func TestStateIsNeverHalf(t *testing.T) {
	t.Setenv("CACHE", t.TempDir())
	h, s := newHome(), &state{Processes: make([]process, 9)}
	if err := os.MkdirAll(h.run(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.save(s); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		var err error
		for i := 0; i < 1000 && err == nil; i++ {
			err = h.save(s)
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
		if _, err := h.state(); err != nil {
			t.Error(err)
			<-done
			return
		}
	}
}
