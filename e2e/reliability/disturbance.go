package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// trouble is what rows have in common that disturb one agent for a while.
type trouble struct {
	scene  *scene
	victim *agent
	worlds worlds
	told   bool // the agent has said once that it is not ready, and why
}

// newTrouble learns what the node of the first agent is to hold; its state is 0 then.
func (s *scene) newTrouble() (*trouble, error) {
	w, err := s.newWorlds(s.agents[0])
	return &trouble{scene: s, victim: s.agents[0], worlds: w}, err
}

// spectacle is what was seen of an agent in trouble.
type spectacle struct {
	looks, unready int
	reasons        []string
}

// String says how often the agent was not ready, and the first reasons that it gave.
func (w spectacle) String() string {
	return strings.Join(append([]string{fmt.Sprintf("not ready in %d of %d looks", w.unready, w.looks)}, w.reasons...), "; ")
}

// watch changes the manifests and looks at the agent, until the time is over. The last change is to a state.
func (t *trouble) watch(length time.Duration, state int) (w spectacle) {
	links := t.links()
	for end := time.Now().Add(length); time.Now().Before(end); {
		if err := t.scene.churn.any(); err != nil {
			t.scene.fault("change manifests: %v", err)
		}
		t.look(&w)
		t.scene.sleep(20 * time.Millisecond)
	}
	if now := t.links(); now != "" && now != links {
		t.scene.fault("the interfaces that pods sit behind are forgotten: %s", now)
	}
	if err := t.scene.churn.become(state); err != nil {
		t.scene.fault("change manifests: %v", err)
	}
	t.scene.sleep(100 * time.Millisecond)
	return w
}

// look notes whether the agent says that it is ready, and the reasons if not.
func (t *trouble) look(w *spectacle) {
	r, err := t.victim.ask()
	w.looks++
	switch {
	case err != nil:
		w.note("no answer")
	case !r.Ready && len(r.Reasons) == 0:
		t.scene.fault("not ready, and no reason")
	}
	if !r.Ready {
		w.unready++
	}
	for part, reason := range r.Reasons {
		w.note(part + ": " + reason)
		t.told = true
	}
}

func (w *spectacle) note(reason string) {
	if !slices.Contains(w.reasons, reason) && len(w.reasons) < 2 {
		w.reasons = append(w.reasons, reason)
	}
}

// links is what the kernel holds of the interfaces that pods sit behind; empty where that cannot be listed.
func (t *trouble) links() string {
	text, _ := t.scene.ruleset(t.victim.node)
	for line := range strings.Lines(text) {
		if strings.Contains(line, `"name":"podlinks"`) {
			return line
		}
	}
	return ""
}

// recovery is how long an agent may take to be well again: its longest pause between attempts is 5 s.
const recovery = 12 * time.Second

// recover waits until the same process has reached a state. One that does not is restarted, for the next trouble.
func (t *trouble) recover(after string, w spectacle, state int) error {
	same := t.victim.alive()
	took, err := t.scene.await(recovery, "well again", func() error {
		if err := readyNow(t.victim); err != nil {
			return err
		}
		return t.worlds.check(t.scene, state)
	})
	if w.looks > 0 {
		t.scene.note("%s: %v", after, w)
	}
	switch {
	case t.scene.ctx.Err() != nil:
		return t.scene.ctx.Err()
	case err == nil && same:
		t.scene.repairs = append(t.scene.repairs, took)
		return nil
	}
	t.scene.fault("%s: alive %t, %v", after, same, err)
	t.victim.end(syscall.SIGQUIT) // its log tells where it stood
	return errors.Join(t.victim.start(), t.victim.awaitReady(patience))
}
