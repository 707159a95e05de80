package controller

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/picket-project/picket/controller/graph"
)

// The log says once that everything is in force, and has a line for each change of the rules.
func TestCommitsAreLogged(t *testing.T) {
	log, mail := &logText{}, make(script)
	start(t, Config{Source: mail, Firewall: &kernel{}, Log: slog.New(slog.NewTextHandler(log, nil))})
	mail <- Mail{Events: cluster(), Synced: true}
	eventually(t, "the start", func() bool { return log.count("in force") == 1 })
	mail <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("late", "10.244.1.9")}}, Synced: true}
	eventually(t, "a change", func() bool { return log.count("rules changed") == 1 })
	for _, want := range []string{`msg="in force" policies=1 "pods here"=1 "of all"=1`,
		`msg="rules changed" pods=1`} {
		if log.count(want) != 1 {
			t.Errorf("no %s in\n%s", want, log)
		}
	}
}

// logText is a log that is written and read by several goroutines.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// count is how often a text stands in it.
func (l *logText) count(text string) int { return strings.Count(l.String(), text) }
