package controller

import (
	"log/slog"
	"strings"
	"testing"
)

// A complaint is logged when it begins and when it is over, however its text changes.
func TestComplaintsAreLoggedOnce(t *testing.T) {
	var log strings.Builder
	c := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, text := range []string{"refused", "forbidden", "refused", ""} {
		list := map[string]string{"pods": text}
		if text == "" {
			delete(list, "pods")
		}
		c.complain(false, list)
	}
	for _, want := range []string{"not everything works", "subject=pods problem=refused",
		"works again"} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%d times %q in:\n%s", n, want, &log)
		}
	}
}
