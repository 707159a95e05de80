package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// Host is the machine around the firewall. It is asked one thing at a time, by any goroutine.
type Host interface {
	// Prepare says how pods with these addresses are attached, and where tunnels end on the node.
	// It is asked again and again.
	Prepare(pods []netip.Addr) (ruleset.Wiring, error)
	// Filtered reports whether packets between the ports of bridges pass the firewall. It answers
	// at once, to any goroutine.
	Filtered() bool
	// Filter makes packets between the ports of bridges pass the firewall; an error says what keeps
	// it from that.
	Filter() error
}

// HostWatcher tells of changes of the machine.
type HostWatcher interface {
	// Watch reports that what Host and Addresses say may have changed, once when it begins to
	// listen and then as it happens, until ctx ends.
	Watch(ctx context.Context, changed func()) error
}

// hostState is what the loop knows of the node, and what it has to ask. The node is asked outside
// of the loop, one question at a time: where interfaces come and go, the kernel can take a second
// to answer.
//
//	pod of this node, change of the host, recheck ─► question ─► goroutine: Host, Addresses
//	graph, wiring ◄──────────────────────────────── answer ◄───────────┘
type hostState struct {
	// attached is graph.LocalEvents when it was last asked how pods are attached; -1: it is due.
	attached  int
	pods      []netip.Addr // addresses that it was asked for then
	ownDue    bool         // it is to be asked which addresses are its own
	asking    bool         // an answer is due; the next question waits for it
	answers   chan answer
	retry     retryTimer
	changed   chan struct{} // holds one token when anything may be different
	pause     *time.Timer   // is due when the next question may be asked, if one is waiting
	notBefore time.Time

	wiring     ruleset.Wiring           // as it was found last, without what was unbound since
	wired      bool                     // it was found at some time
	reassigned map[netip.Addr]bool      // addresses that got another pod since it was asked for
	fresh      bool                     // what holds on bridges was not compared with it yet
	hidden     map[netip.Addr]time.Time // since when each address of Hidden is; zero: from the start
	grace      time.Duration            // for which a pod may be hidden while it starts
	opens      *time.Timer              // when ports are opened again
	closed     bool                     // ports of isolated pods are, until then
	unseen     bool                     // packets between ports do not pass the firewall
	lines      quota                    // bounds what is logged of ports

	own       []netip.Addr // of the node itself
	ranges    []netip.Prefix
	recalled  bool           // the kernel was asked for what an earlier process left
	left      []netip.Prefix // ranges that it has denied unknown pods of
	departed  bool           // whom it has isolated was taken over
	questions []netip.Addr   // of which it was asked whether somebody is behind them
	present   []netip.Addr   // behind which somebody is
	asked     int            // graph.LocalEvents at that time
}

// newHostState returns the state before the first question: everything is to be asked.
func newHostState() hostState {
	return hostState{
		attached: -1, ownDue: true, answers: make(chan answer, 1), retry: newRetryTimer(),
		changed: make(chan struct{}, 1), pause: stoppedTimer(),
		reassigned: map[netip.Addr]bool{}, hidden: map[netip.Addr]time.Time{},
		opens: stoppedTimer(), grace: 5 * time.Second,
	}
}

// question is what the node is asked.
type question struct {
	attached bool         // how pods are attached that have these addresses, and where tunnels end
	pods     []netip.Addr // sorted
	own      bool         // which addresses and ranges are its own
	behind   bool         // behind which of these somebody is
	claimed  []netip.Addr
	events   int // graph.LocalEvents when it was asked
}

// empty reports whether there is nothing to ask.
func (q question) empty() bool { return !q.attached && !q.own && !q.behind }

// text says in /readyz what is being asked; empty: nothing.
func (q question) text() string {
	switch {
	case q.empty():
		return ""
	case q.attached:
		return fmt.Sprintf("asking how %d addresses of pods are attached", len(q.pods))
	default:
		return "asking which addresses are the node's own, and its pods'"
	}
}

// answer is what the node says.
type answer struct {
	question
	wiring     ruleset.Wiring
	attachErr  error
	addrs      []netip.Addr // its own
	ranges     []netip.Prefix
	present    []netip.Addr // of those that were claimed
	addressErr error
	took       time.Duration
}

// nextQuestion returns what has to be asked now. How pods are attached is of no interest before it
// is known which there are.
func (c *Controller) nextQuestion() question {
	q := question{events: c.graph.LocalEvents()}
	if q.attached = c.Host != nil && c.source.synced && c.host.attached != q.events; q.attached {
		q.pods = c.graph.ClaimedAddrs()
	}
	if c.Addresses != nil {
		q.own = c.host.ownDue
		q.claimed, q.behind = c.doubtfulAddrs(q.events)
	}
	return q
}

// ask puts a question to the node. It changes nothing, so that any goroutine may call it.
func (c *Controller) ask(q question) answer {
	began := time.Now()
	a := answer{question: q}
	if q.attached {
		a.wiring, a.attachErr = c.Host.Prepare(q.pods)
	}
	if q.own {
		a.addrs, a.ranges, a.addressErr = c.Addresses.Addresses()
	}
	if len(q.claimed) > 0 && a.addressErr == nil {
		a.present, a.addressErr = c.Addresses.Behind(q.claimed)
	}
	a.took = time.Since(began)
	return a
}

// mostQuestions is how often what the node says leads to another question before the first ruleset.
const mostQuestions = 3

// mustConsultHost reports whether the rules would be in vain without knowing how a pod is attached:
// while packets between the ports of bridges pass them by, nobody has found a pod on one so far.
func (c *Controller) mustConsultHost() bool {
	return c.Host != nil && c.host.attached != c.graph.LocalEvents() && !c.Host.Filtered()
}

// consultHost asks what there is to ask, and waits for the answers.
func (c *Controller) consultHost(ctx context.Context) {
	// The node is asked one thing at a time, so an answer that is due comes first.
	if c.host.asking {
		c.takeAnswer(ctx, <-c.host.answers)
	}
	// An answer can lead to another question; see takeAddresses.
	for range mostQuestions {
		q := c.nextQuestion()
		if q.empty() {
			break
		}
		c.questionAsked(q)
		c.takeAnswer(ctx, c.ask(q))
	}
}

// askHost asks what there is to ask, without waiting for the answer. No more than a fifth of the
// time is spent on that, whatever a tenant's pods do.
func (c *Controller) askHost() {
	// The question of the moment is answered first; takeAnswer then allows the next one.
	if c.host.asking {
		return
	}
	q := c.nextQuestion()
	c.Health.setPending("host", q.text())
	if q.empty() {
		return
	}
	if wait := time.Until(c.host.notBefore); wait > 0 {
		c.host.pause.Reset(wait)
		return
	}
	c.questionAsked(q)
	c.host.asking = true
	go func() { c.host.answers <- c.ask(q) }()
}

// questionAsked notes what is not due any more. What changes from now on is another question.
func (c *Controller) questionAsked(q question) {
	if q.attached {
		c.host.attached, c.host.pods = q.events, q.pods
		clear(c.host.reassigned)
	}
	if q.own {
		c.host.ownDue = false
	}
}

// awaitAnswer leaves no goroutine behind.
func (c *Controller) awaitAnswer() {
	if c.host.asking {
		<-c.host.answers
	}
}

// longestRest is between two questions at most.
const longestRest = 500 * time.Millisecond

// takeAnswer takes over what the node says. After an error what was known last stays in force.
func (c *Controller) takeAnswer(ctx context.Context, a answer) {
	c.host.asking = false
	// With a rest of four times its length, asking takes a fifth of the time.
	c.host.notBefore = time.Now().Add(min(4*a.took, longestRest))
	if c.Addresses != nil && (a.own || a.behind) {
		c.takeAddresses(a)
	}
	err := a.addressErr
	if a.attached {
		err = errors.Join(err, c.takeWiring(ctx, a))
	}
	again := err
	if err == nil && (len(c.host.wiring.Hidden) > 0 || c.host.wiring.Incomplete != "") {
		again = errIncomplete
	}
	c.host.retry.after(again)
	if err != nil {
		// After an error the pause grows with the failures, however quick they were.
		c.host.notBefore = time.Now().Add(min(c.host.retry.backoff, longestRest))
	}
}

// errIncomplete has the node asked again: it did not tell all, or pods are hidden, and the kernel
// tells nobody of what happens at a pod's end of its link.
var errIncomplete = errors.New("not everything is known of this node's pods")

// hostChanged has everything asked again.
func (c *Controller) hostChanged() {
	c.host.attached, c.host.ownDue, c.kernel.unclosed = -1, true, true
}

// watchHost has the node asked again when something changed there. It starts anew after an error,
// when changes may have been missed.
func (c *Controller) watchHost(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.HostWatcher.Watch(ctx, func() {
			c.Health.warn("host", nil)
			c.host.change()
		})
		if ctx.Err() != nil {
			return
		}
		text := "changes of interfaces, addresses and routes are noticed late: at the next recheck only"
		if c.Health.warn("host", map[string]string{"changes": text}) {
			c.Log.Error(text, "error", err)
		}
		c.host.change()
		sleep(ctx, time.Second)
	}
}

// change tells the loop that anything on the node may be different. Any goroutine may call it, and
// it never waits.
func (h *hostState) change() {
	select {
	case h.changed <- struct{}{}:
	// The token that is there already says the same.
	default:
	}
}

// doubtfulAddrs returns the addresses of which only the kernel can tell whether somebody is behind
// them, and whether it has to be asked again.
func (c *Controller) doubtfulAddrs(events int) (claimed []netip.Addr, due bool) {
	claimed = c.graph.Questions()
	// Answers are old once a pod has come or gone, or other addresses are in doubt.
	stale := c.host.ownDue || events != c.host.asked || !slices.Equal(claimed, c.host.questions)
	if len(claimed)+len(c.host.present) == 0 || !stale {
		return nil, false
	}
	return claimed, true
}

// takeAddresses has the graph know what the kernel says of addresses. Whether somebody is behind
// them it is asked again if pods came or went meanwhile: who was not there yet would be forgotten.
func (c *Controller) takeAddresses(a answer) {
	reason := ""
	if a.addressErr != nil {
		reason = a.addressErr.Error() + "; what was known last stays in force"
	}
	if c.Health.set("addresses", reason) && reason != "" {
		c.Log.Error("the kernel does not tell which addresses are the node's and its pods'",
			"error", a.addressErr)
	}
	if a.addressErr != nil {
		return
	}
	if a.own && !(slices.Equal(a.addrs, c.host.own) && slices.Equal(a.ranges, c.host.ranges)) {
		c.host.own, c.host.ranges = a.addrs, a.ranges
		c.tellHost()
	}
	if a.behind && a.events == c.graph.LocalEvents() &&
		slices.Equal(a.claimed, c.graph.Questions()) {
		c.graph.Apply(graph.BehindSet{Addrs: a.present})
		c.host.asked, c.host.present = a.events, a.present
		c.host.questions = c.graph.Questions()
	}
	// By what the kernel said pods can have other addresses than it was asked for at the same time.
	if !slices.Equal(c.graph.ClaimedAddrs(), c.host.pods) {
		c.host.attached = -1
	}
}
