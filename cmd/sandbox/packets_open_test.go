package sandbox_test

import (
	"slices"
	"testing"
	"time"

	"github.com/picket-project/picket/ruleset/oracle"
)

// talkers is a world with two clients that talk to a server on their own node and to one on
// another.
var talkers = setting{
	pods: `a/cli n1 app=cli
		a/twin n1 app=twin
		a/near n1 app=server
		a/far n2 app=server`,
	policies: []string{`a/servers {podSelector: {matchLabels: {app: server}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [cli, twin]}]}}]}]}`},
	flows: `allow a/cli > a/near TCP 80
		allow a/cli > a/far UDP 80`,
}

const twinOnly = `a/servers {podSelector: {matchLabels: {app: server}}, ingress: [{from: [{podSelector: {matchLabels: {app: twin}}}]}]}`

// narrowings are ways in which the connections of a/cli become forbidden, and those of a/twin
// don't.
var narrowings = []struct {
	name string
	do   func(*stage)
}{
	{"a rule goes", func(s *stage) { s.policy(twinOnly) }},
	{"the peer gets other labels", func(s *stage) { s.pod("a/cli", relabel("other")) }},
	{"the client is isolated", func(s *stage) {
		s.policy(
			`a/cli {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress]}`)
	}},
	{"a port goes", func(s *stage) {
		s.policy(
			`a/servers {podSelector: {matchLabels: {app: server}}, ingress: [{from: [{podSelector: {matchLabels: {app: twin}}}]}, {ports: [{port: 80}]}]}`)
	}},
}

// openRig has streams of both clients to both servers, all of which talk.
func openRig(t *testing.T) (r *rig, forbidden, permitted []*stream) {
	r = newRig(t, rigOptions{})
	r.become(talkers.world(t))
	for i, server := range []string{"a/near", "a/far"} {
		forbidden = append(forbidden, r.openStreams("a/cli", server, 7000+uint16(100*i))...)
		permitted = append(permitted, r.openStreams("a/twin", server, 7050+uint16(100*i))...)
	}
	goOn(t, append(forbidden, permitted...))
	return r, forbidden, permitted
}

// goOn waits until every stream has heard something new.
func goOn(t *testing.T, streams []*stream) {
	t.Helper()
	for _, s := range streams {
		before := s.heard.Load()
		if !poll(func() bool { return s.heard.Load() > before+2 }) {
			t.Errorf("%s: nothing more arrives", s)
		}
	}
}

// cutWithin is more than any machine takes that runs tests. What it takes is measured elsewhere.
var cutWithin = speed.Wait(5 * time.Second)

// stayCut waits until the streams are silent, which they then stay though everybody talks on.
func stayCut(t *testing.T, streams []*stream) {
	t.Helper()
	silent := func() bool {
		return !slices.ContainsFunc(streams, func(s *stream) bool {
			return time.Since(time.Unix(0, s.last.Load())) < cutWithin/10
		})
	}
	for deadline := time.Now().Add(cutWithin); !silent() && time.Now().Before(deadline); {
		time.Sleep(beat)
	}
	before := map[*stream]int64{}
	for _, s := range streams {
		before[s] = s.heard.Load()
	}
	time.Sleep(cutWithin / 5)
	for _, s := range streams {
		if now := s.heard.Load(); now != before[s] {
			t.Errorf("%s: should be cut, and %d more arrived", s, now-before[s])
		}
	}
}

// undisturbed checks that nothing at all was lost.
func undisturbed(t *testing.T, streams []*stream) {
	t.Helper()
	goOn(t, streams)
	for _, s := range streams {
		if lost := s.lost.Load(); lost != 0 {
			t.Errorf("%s: %d lost", s, lost)
		}
	}
}

// narrowAndAllow changes the world, which cuts what it forbids and nothing else, and changes it
// back.
func (r *rig) narrowAndAllow(t *testing.T, change func(*stage), forbidden, permitted []*stream) {
	t.Helper()
	r.report(t)
	first := r.told
	r.tell(changedWorld(t, first, change))
	stayCut(t, forbidden)
	undisturbed(t, permitted)
	r.tell(first)
	goOn(t, forbidden)
	undisturbed(t, permitted)
}

// What a change forbids ends, whoever talks, and stays so where conntrack forgets it; what a change
// allows again goes on; nobody else notices.
func TestOpenConnectionsOnRealPackets(t *testing.T) {
	r, forbidden, permitted := openRig(t)
	first := r.told
	for _, narrow := range narrowings {
		t.Run(narrow.name, func(t *testing.T) {
			r.narrowAndAllow(t, narrow.do, forbidden,
				permitted)
		})
	}
	t.Run("and answers of the kernel are lost", func(t *testing.T) {
		r.loseAnswers()
		r.tell(changedWorld(t, first, narrowings[0].do))
		stayCut(t, forbidden)
		r.loseAnswers()
		r.tell(first)
		goOn(t, forbidden)
		undisturbed(t, permitted)
	})
	t.Run("and conntrack forgets", func(t *testing.T) {
		r.tell(changedWorld(t, first, narrowings[0].do))
		stayCut(t, forbidden)
		r.forgetConnections()
		stayCut(t, forbidden)
		goOn(t, permitted)
		r.tell(first)
		goOn(t, forbidden)
	})
}

// A connection that nobody narrows is never looked at: servers that may not open one themselves go
// on answering, and policies about others come and go.
func TestRepliesAreNotCutOnRealPackets(t *testing.T) {
	r, streams, more := openRig(t)
	w := changedWorld(t, r.told, func(s *stage) {
		s.policy(`a/mute {podSelector: {matchLabels: {app: server}}, policyTypes: [Egress]}`)
		s.policy(
			`a/deaf {podSelector: {matchExpressions: [{key: app, operator: In, values: [cli, twin]}]}, policyTypes: [Ingress]}`)
	})
	r.tell(w)
	time.Sleep(cutWithin / 5)
	undisturbed(t, append(streams, more...))
}

// A controller that starts ends what became forbidden while it was away, and takes over what was
// cut before.
func TestOpenConnectionsAcrossARestartOnRealPackets(t *testing.T) {
	r, forbidden, permitted := openRig(t)
	first := r.told
	var narrowed *oracle.World
	t.Run("narrowed meanwhile", func(t *testing.T) {
		narrowed = changedWorld(t, first, narrowings[0].do)
		r.restart(narrowed, func() { goOn(t, forbidden) })
		stayCut(t, forbidden)
		undisturbed(t, permitted)
	})
	t.Run("cut before", func(t *testing.T) {
		r.restart(narrowed, func() { stayCut(t, forbidden) })
		stayCut(t, forbidden)
		undisturbed(t, permitted)
	})
	t.Run("allowed meanwhile", func(t *testing.T) {
		r.restart(first, func() { stayCut(t, forbidden) })
		goOn(t, forbidden)
		undisturbed(t, permitted)
	})
}
