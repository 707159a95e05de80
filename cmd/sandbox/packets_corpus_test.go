package sandbox_test

import (
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset/oracle/scene"
)

// corpusRigs is how many clusters go through the scenes side by side: each of them mostly waits for
// packets that must not arrive.
const corpusRigs = 3

// What every scene says is what real packets do.
func TestScenesOnRealPackets(t *testing.T) { playCorpus(t, rigOptions{}) }

// playCorpus takes clusters from scene to scene: what changes is the difference between the worlds,
// so pods that two scenes have in common stay where they are.
func playCorpus(t *testing.T, o rigOptions) {
	needKernel(t)
	scenes, err := scene.Corpus()
	if err != nil {
		t.Fatal(err)
	}
	tallies := make([]map[string]int, corpusRigs)
	t.Run("clusters", func(t *testing.T) {
		for i := range tallies {
			tallies[i] = map[string]int{}
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, o)
				for j := i; j < len(scenes); j += corpusRigs {
					r.playScene(t, scenes[j], tallies[i])
				}
			})
		}
	})
	total := map[string]int{}
	for _, tally := range tallies {
		for what, n := range tally {
			total[what] += n
		}
	}
	t.Logf("flows: %v", total)
	// and not a choice of them
	all := flag.Lookup("test.skip").Value.String() == "" &&
		!strings.Contains(flag.Lookup("test.run").Value.String(), "/")
	if !t.Failed() && all && total["played"] < 1500 {
		t.Errorf("only %d flows were played", total["played"])
	}
}

// playScene brings the rig to each step of a scene and asks for its flows.
func (r *rig) playScene(t *testing.T, s *scene.Scene, tally map[string]int) {
	t.Helper()
	if s.NoPackets != "" {
		tally["not played: "+s.NoPackets]++
		return
	}
	t.Run(s.Topic+": "+s.Name, func(t *testing.T) {
		r.report(t)
		for _, step := range s.Steps {
			r.become(step.World)
			r.expect(step.World, r.questionsOf(step, tally))
			r.agree(step.World)
		}
	})
}

// questionsOf are the flows of a step that packets can ask for.
func (r *rig) questionsOf(step scene.Step, tally map[string]int) []question {
	r.t.Helper()
	var questions []question
	for _, f := range step.Flows {
		for _, a := range []netip.Addr{f.From, f.To} {
			if r.whoHas(a) == "" && isOutside(a) {
				r.stranger(a)
			}
		}
		q := r.question(f)
		why := r.unplayable(q)
		if why == "" {
			why = "played"
			questions = append(questions, q)
		}
		tally[why]++
	}
	return questions
}

// isOutside tells if somebody outside can have the address: it is of no node's range, nor one that
// counts on a single link.
func isOutside(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !slices.ContainsFunc(rigNodes(), func(n sandbox.Node) bool {
		return slices.ContainsFunc(n.PodCIDRs, func(p netip.Prefix) bool { return p.Contains(a) })
	})
}

// unplayable says why packets cannot ask a question; empty: they can.
func (r *rig) unplayable(q question) string {
	sends := func() []netip.Addr {
		if p, isPod := r.pods[q.from]; isPod {
			return p.Addrs
		}
		return hostAddrs(strings.TrimPrefix(q.from, hostOf("")))
	}
	switch {
	case q.flow.Protocol == corev1.ProtocolSCTP && sandbox.SCTP.Supported() != nil:
		return "not played: " + sandbox.SCTP.Supported().Error()
	case q.from == "" || q.to == "":
		return "not played: nobody can have an address"
	case r.strangers[q.flow.From] == "" && alike(sends(), q.flow.From) != q.flow.From:
		return "not played: the sender sends from another address"
	}
	return ""
}

// A verdict that a scene states wrongly is found, whether packets arrive or not.
func TestWrongVerdictsAreFoundOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := edited(t, usualCluster(t), "policy a/p {ingress: [{ports: [{port: 80}]}]}")
	r.become(w)
	flows, err := scene.Flows(w, "deny ab/cli > a/web TCP 80\nallow ab/cli > a/web TCP 81\n"+
		"allow ab/cli > a/web PING\ndeny a/web > b/lone PING")
	r.must(err)
	var questions []question
	for _, f := range flows {
		questions = append(questions, r.question(f))
	}
	if wrong := r.ask(questions); len(wrong) != len(questions) {
		t.Errorf("of %v only these are found:\n%s", questions, strings.Join(wrong, "\n"))
	}
}
