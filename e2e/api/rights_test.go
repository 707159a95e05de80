package api

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// What the agents do takes just the rights that they are shipped with: none is refused, none is
// unused.
func TestRightsAreExact(t *testing.T) {
	w := newTestCluster(t, 2)
	defer w.compareRights()
	w.addShop(w.shipped)
	w.apply(denyAll)
	w.apply(allow("near"))
	w.reaches("near")
	w.cut()
	w.label("near", "other")
	w.reaches()
	w.apply(badPolicy)
	for _, a := range w.agents {
		a.waitState(true, badPart)
	}
	eventually(t, wait, func() error { return w.warned("bad") })
	w.deletePolicies("deny", "allow-near")
	w.reaches("far", "near")
}

// compareRights names each difference between what the shipped account asked for and what its role
// allows. If the test has failed, what was not asked for means nothing.
func (w *testCluster) compareRights() {
	asked, refused := w.rightsAskedFor()
	shipped := w.shipped.rights()
	w.Logf("the agents asked for: %v", asked)
	if !w.Failed() {
		for _, r := range without(shipped, asked) {
			w.Errorf("the role allows what the agents never asked for: %s", r)
		}
	}
	for _, r := range refused {
		w.Errorf("the agents asked and were refused: %s", r)
	}
	for _, r := range without(asked, slices.Concat(shipped, refused)) {
		w.Errorf("the agents asked for what others allow them, not the role: %s", r)
	}
}

// rightsAskedFor is what the shipped account asked for since the test began.
func (w *testCluster) rightsAskedFor() (asked, refused []right) {
	w.Helper()
	entries, err := w.asked(w.shipped.user(), w.begun)
	w.must(nil, err)
	for _, e := range entries {
		asked = append(asked, e.right())
		if e.refused() {
			refused = append(refused, e.right())
		}
	}
	return sorted(asked), sorted(refused)
}

func without[E comparable](all, some []E) []E {
	return slices.DeleteFunc(slices.Clone(all), func(e E) bool { return slices.Contains(some, e) })
}

// Whatever right is missing, the agent names it, and goes on by itself once it has it. What it
// cannot read or follow keeps it from being ready.
func TestMissingRightsAreNamed(t *testing.T) {
	t.Parallel()
	rights := theServer(t).shipped.rights()
	w := newTestCluster(t, len(rights))
	w.apply(badPolicy)
	w.apply(denyAll)
	var accounts []identity
	for i, missing := range rights {
		name := fmt.Sprintf("p%d", i) // an agent tells of a policy that selects its pods
		w.addPod(name, i, 5)
		w.label(name, "none")
		accounts = append(accounts,
			w.shipped.as(fmt.Sprintf("picket-without-%d", i), without(rights, []right{missing})))
		w.must(nil, accounts[i].install(w.Admin))
		w.agents = append(w.agents, w.startAgent(w.nodes[i], accounts[i]))
	}
	for i, missing := range rights {
		w.agents[i].waitState(!missing.reads(), "")
	}
	w.deletePolicies("deny") // which is why they ask for the namespace
	for i, missing := range rights {
		w.agents[i].waitState(!missing.reads(), missing.refusal())
		w.must(nil, accounts[i].grant(w.Admin, rights))
	}
	w.deletePolicies("bad")
	for _, a := range w.agents {
		w.waitWithoutWarnings(a)
	}
}

// A right that is taken away leaves the rules as they are, and is visible.
func TestRightsAreRevoked(t *testing.T) {
	t.Parallel()
	w := newTestCluster(t, 2)
	account := w.shipped.as("picket-revoked", w.shipped.rights())
	w.must(nil, account.install(w.Admin))
	w.addShop(account)
	w.apply(denyAll)
	w.apply(allow("near"))
	w.reaches("near")
	forbidden := w.stream("far", "web")
	w.revoke(account, w.shipped.rights()...)
	w.label("near", "other")
	for _, a := range w.agents {
		for _, resource := range watched {
			a.waitState(true, right{Verb: "watch", Resource: resource}.refusal())
		}
	}
	w.reaches("near")
	w.must(nil, account.grant(w.Admin, w.shipped.rights()))
	w.reachesWithin(recoveryLimit())
	for _, a := range w.agents {
		w.waitWithoutWarnings(a)
	}
	w.endForbidden(forbidden)
	for _, a := range w.agents {
		stop(a.cmd)
		for _, said := range []string{"not everything works", "works again"} {
			if n := a.logLines(said, "subject=pods"); n != 1 {
				t.Errorf("%s said %d times of pods: %s", a.node, n, said)
			}
		}
	}
}

// revoke takes rights from agents. The server checks them when a watch begins, so all watches are
// cut.
func (w *testCluster) revoke(account identity, rights ...right) {
	w.Helper()
	since := w.now()
	w.must(nil, account.grant(w.Admin, without(w.shipped.rights(), rights)))
	w.cut()
	eventually(w.T, wait, func() error {
		entries, err := w.asked(account.user(), since)
		if err == nil && !slices.ContainsFunc(entries, entry.refused) {
			err = errors.New("the rights are still there")
		}
		return err
	})
	w.cut() // who came back before that
}
