package controller

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Firewall is a kernel's rules.
type Firewall interface {
	// Form says what programs it can hold; that never changes.
	Form() ruleset.Form
	// Observe says what the kernel holds now.
	Observe(context.Context) (ruleset.Observed, error)
	// Apply carries a delta out, all or nothing; after an error nothing is known. An empty one says
	// that what was observed is as it should be.
	Apply(context.Context, ruleset.Delta) error
}

// Reporter tells people what is wrong.
type Reporter interface {
	Report(problems []policy.Problem) // all of one policy
	Warn(wrong string)                // with this node
}

// Config says what a Controller works with. Node, Source and Firewall are needed, the other parts
// may be nil.
type Config struct {
	Node        string
	Denial      ruleset.Denial
	DenyUnknown bool // pods of the node are denied until they are known
	Source      Source
	Firewall    Firewall
	Host        Host
	Addresses   Addresses   // without it, Node objects say which addresses are the node's
	HostWatcher HostWatcher // without it, changes of the host are noticed at rechecks only
	AnyAddress  bool        // addresses of pods can come from outside of all nodes' ranges
	Connections Connections // without them, or a Cutter, open connections stay as they are
	Cutter      Cutter
	Guard       Guard
	Features    FeatureLister   // without it, nobody is told what the kernel lacks
	Flowtables  FlowtableLister // without it, connections are taken to be in none
	// without it, or a Host, pods of one bridge are not kept apart there
	Separator Separator
	Reporter  Reporter
	Backend   string        // what Firewall is, for people: /readyz and a metric say it
	Because   string        // why it is that one
	Log       *slog.Logger  // nil: slog.Default()
	Recheck   time.Duration // between looks at the kernel and the host; 0: 30 s
	// InForce is called from a goroutine of its own when the kernel holds all that there was, again
	// after an error; it may be nil.
	InForce func(context.Context) error
}

// Controller is the loop of one node. Its fields below Health belong to that loop's goroutine.
type Controller struct {
	Config
	Health    *Health
	box       *mailbox
	asks      chan chan<- *ruleset.Program // of verbs: where each wants its answer
	graph     *graph.Graph
	source    sourceState
	bad       badPolicies
	disputes  disputeState
	kernel    kernelState
	revisions *revisions
	host      hostState
	bridge    bridgeState
	review    review
	visits    chan func() // of goroutines that look at what the loop has
	former    formerNames
}

// New returns a controller that Run starts.
func New(c Config) *Controller {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Recheck == 0 {
		c.Recheck = 30 * time.Second
	}
	controller := &Controller{
		Config: c, Health: newHealth(), box: newMailbox(), asks: make(chan chan<- *ruleset.Program),
		graph: graph.New(c.Node, c.Denial),
		bad:   newBadPolicies(), kernel: newKernelState(), revisions: newRevisions(), host: newHostState(),
		bridge: newBridgeState(), review: newReview(), visits: make(chan func()),
	}
	if c.DenyUnknown {
		controller.graph.DenyUnknown()
	}
	if c.AnyAddress {
		controller.graph.AnyAddress()
	}
	controller.Health.backendIs(c.Backend, c.Because)
	// Without a word of the kernel the address of a deleted pod could stay isolated for ever.
	if c.Addresses != nil {
		controller.graph.KeepDeparted()
	}
	return controller
}

// Run works until ctx ends, which is no error, or until the source cannot go on. The rules stay.
func (c *Controller) Run(ctx context.Context) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	c.graph.SetForm(c.Firewall.Form())
	c.close(ctx) // also where the source fails at once
	c.listFeatures()
	// The channel has room for the result, so that the source can end before the loop.
	failed := make(chan error, 1)
	go func() {
		defer stop()
		failed <- c.Source.Run(running, c.box.put)
	}()
	if c.HostWatcher != nil {
		go c.watchHost(running)
	}
	c.loop(running)
	if err := <-failed; err != nil && ctx.Err() == nil {
		return fmt.Errorf("source: %w", err)
	}
	return nil
}

// loop does one thing at a time: it takes in what has arrived, then brings the kernel to what the
// graph wants, then asks the node what has to be known of it by now.
func (c *Controller) loop(ctx context.Context) {
	defer c.awaitAnswer()
	recheck := time.NewTicker(c.Recheck)
	defer recheck.Stop()
	c.checkFlowtables(ctx)
	for c.wait(ctx, recheck.C) {
		switch {
		// The graph lacks objects, so the kernel is left as it is, but for pods that are not known.
		case !c.source.synced:
			c.close(ctx)
		// After a failure there is a pause, in which events change the graph only.
		case !time.Now().Before(c.kernel.resume):
			c.reconcile(ctx)
		}
		c.Health.idle()
	}
}

// wait takes in the next thing that arrives. It returns false at the end of ctx.
func (c *Controller) wait(ctx context.Context, recheck <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case answer := <-c.asks:
			answer <- c.graph.Program()
			continue // nothing has changed
		case look := <-c.visits:
			look()
			continue // nothing has changed
		case <-c.bad.deferred.next.C:
			c.writeDeferredEvents()
			continue // nothing has changed
		case <-c.box.ready:
			c.Health.work()
			c.read()
		case <-recheck:
			c.Health.work()
			c.recheck(ctx)
		case <-c.kernel.touched:
			c.Health.work()
			c.checkKernel(ctx)
		// The pause after a failure is over, so the loop reconciles.
		case <-c.kernel.retry.C:
		case <-c.host.changed:
			c.hostChanged()
		case <-c.host.retry.due.C:
			c.hostChanged()
		// The next question may be put to the node, which the loop does when it reconciles.
		case <-c.host.pause.C:
		case a := <-c.host.answers:
			c.Health.work()
			c.takeAnswer(ctx, a)
		case <-c.host.opens.C:
			c.openPorts()
		case <-c.bridge.retry.due.C:
			c.bridge.unknown = true
		case <-c.review.due.C:
			c.Health.work()
			c.startReview(ctx)
		case b := <-c.review.found:
			c.Health.work()
			list, err := c.decideOpen(ctx, b.list)
			// The channel has room for the answer: the loop never waits for a look.
			b.answer <- fates{list, err}
		case l := <-c.review.over:
			c.Health.work()
			c.finishReview(ctx, l)
		}
		// Whatever came, the loop works until it is idle.
		c.Health.work()
		return true
	}
}

// recheck looks at everything again, in case that something was missed.
func (c *Controller) recheck(ctx context.Context) {
	c.hostChanged()
	c.checkKernel(ctx)
	c.checkFlowtables(ctx)
	c.recheckCuts(ctx)
}
