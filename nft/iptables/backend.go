package iptables

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/picket-project/picket/ruleset"
)

// Options says how a Backend works. The zero value is right for an agent on its node.
type Options struct {
	NetNS int // file descriptor of a network namespace; 0: the calling thread's
	// Claim is called before each look at the kernel. Its error says that the rules are in the hands
	// of another process; nil: they are nobody's.
	Claim func() error
}

// Backend is the kernel's side of one node's ruleset. It belongs to one goroutine.
type Backend struct {
	options Options
	content *content           // what the kernel should hold
	held    kernel             // what it was found to hold, or was given since
	copies  map[string]setCopy // of the sets in held
	known   map[ruleset.Family]map[ruleset.ChainID]chains
	// read: nothing was applied since held was read, so that all of it is compared
	read    bool
	stale   bool            // a change failed, so the kernel may not hold what held says
	uncut   bool            // that change was of cuts: what the kernel is found to cut counts
	fenced  bool            // the fence is known: found by the first Observe, or put
	pending map[string]bool // sets to be destroyed that the kernel had still in use
	// spelling has the rules that iptables-save prints in another way than they are written here
	spelling map[string]string
	spelled  bool                               // spelling is known
	told     *atomic.Pointer[map[string]string] // spelling, for backends beside this one
	// bridges says that ebtables was found to have all that is needed, also to backends beside this one
	bridges   *atomic.Bool
	looks     bool // it changes nothing, and tries nothing out
	noBridges bool // it was missing, in whole or in part, when the segment was put
	// intact is the sketch of what the last Observe found, if nothing was wrong with it and nothing
	// has changed since; else nil. Watch compares with it.
	intact atomic.Pointer[sketch]
}

// Open prepares a backend; the kernel is first asked in Observe.
func Open(o Options) *Backend {
	return &Backend{options: o, content: newContent(), held: newKernel(),
		pending: map[string]bool{}, spelling: map[string]string{},
		told: new(atomic.Pointer[map[string]string]), bridges: new(atomic.Bool)}
}

// Form says that ports can't be looked up in a map.
func (b *Backend) Form() ruleset.Form {
	return ruleset.Form{RulePorts: mostPorts, Copies: true, MostRules: mostRules}
}

// mostRules are loaded in two seconds, and read in one, each time that a rule changes.
const mostRules = 1 << 15

// Close leaves the rules as they are.
func (b *Backend) Close() error { return nil }

// Observe says what the kernel holds.
func (b *Backend) Observe(ctx context.Context) (ruleset.Observed, error) {
	if b.options.Claim != nil {
		if err := b.options.Claim(); err != nil {
			return ruleset.Observed{}, fmt.Errorf("observe: %w", err)
		}
	}
	b.collect(ctx)
	k, err := b.readKernel(ctx)
	if err != nil {
		return ruleset.Observed{}, fmt.Errorf("observe: %w", err)
	}
	o := b.take(k)
	bridges, same, err := b.bridgeCondition()
	if err != nil {
		return ruleset.Observed{}, fmt.Errorf("observe: %w", err)
	}
	if k.sketch.bridges = bridges; !same && o.Condition == ruleset.Intact {
		o.Condition = ruleset.Damaged
	}
	b.intact.Store(nil)
	if o.Condition == ruleset.Intact {
		b.intact.Store(&k.sketch)
	} else { // it can be a rule that was never loaded before, and is printed in another way
		b.spelled = false
	}
	return o, nil
}

// take makes what was read the content, and says what that is.
func (b *Backend) take(k kernel) ruleset.Observed {
	c := found(k)
	b.recognize(c)
	if b.fenced {
		c.fence = b.content.fence
	}
	o := c.observed()
	o.Condition, b.copies = condition(k, c)
	b.content, b.held, b.read, b.fenced = c, k, true, true
	b.stale, b.uncut = false, false
	return o
}

// condition compares what was found with what it should be around the same content.
func condition(k kernel, c *content) (ruleset.Condition, map[string]setCopy) {
	if k.empty() {
		return ruleset.Lost, nil
	}
	w, copies, err := want(c)
	if err != nil || len(plan(k, w, copies, compared(k, w))) > 0 {
		return ruleset.Damaged, copies
	}
	return ruleset.Intact, copies
}

// recognize takes over what is known of chains whose rules are as this process has made them. A
// chain that is part of others only has no rules of its own.
func (b *Backend) recognize(c *content) {
	for id, chain := range b.content.chains {
		same := true
		for _, f := range ruleset.Families {
			same = same && maps.EqualFunc(c.kept[id][f], b.known[f][id], slices.Equal)
		}
		if same {
			c.chains[id] = chain
			delete(c.kept, id)
		}
	}
}

// readKernel reads all of ours.
func (b *Backend) readKernel(ctx context.Context) (kernel, error) {
	k := newKernel()
	var err error
	if k.sets, err = b.saveSets(ctx); err != nil {
		return k, err
	}
	for name, s := range k.sets {
		k.sketch.sizes[name] = len(s.elements)
	}
	for name := range b.pending {
		delete(k.sets, name)
	}
	answers := 0
	for _, f := range ruleset.Families {
		for _, name := range tables {
			t, err := b.saveRules(ctx, f, name)
			if err != nil {
				return k, err
			}
			if k.sketch.rules[name] += fmt.Sprintln(t); name == answerTable {
				answers += len(t.chains)
			}
			b.respell(t)
			k.tables[f][name] = t
		}
	}
	if answers == 0 {
		delete(k.sketch.rules, answerTable)
	}
	return k, nil
}

// Apply carries a delta out, in the steps of a plan. After an error the kernel holds what it should
// after one of them, or after a part of one: observe again.
func (b *Backend) Apply(ctx context.Context, d ruleset.Delta) error {
	if d.Empty() {
		b.collect(ctx)
		return nil
	}
	if err := b.refresh(ctx); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	steps, err := b.next(d)
	if err == nil {
		err = b.carryOut(ctx, steps)
	}
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

// refresh reads the kernel again after a change that failed. The content stays what it should hold,
// but for cuts if these were to change: whoever asks which there are is told of the kernel's.
func (b *Backend) refresh(ctx context.Context) error {
	if !b.stale {
		return nil
	}
	k, err := b.readKernel(ctx)
	if err != nil {
		return err
	}
	if b.uncut {
		b.content.cuts = readCuts(k)
	}
	b.held, b.read, b.stale, b.uncut = k, true, false, false
	return nil
}

// next takes a delta in, and returns the steps to what the kernel should hold then.
func (b *Backend) next(d ruleset.Delta) ([]Step, error) {
	changed, err := b.content.apply(d)
	if err != nil {
		return nil, err
	}
	if !b.read && !touchesRules(d) && !b.touchesNames(changed) {
		closing, opening := memberSteps(b.copies, b.spread(changed, b.copies))
		return slices.DeleteFunc([]Step{closing, opening}, Step.Empty), nil
	}
	return b.toContent(changed)
}

// toContent returns the steps from what the kernel holds to the content, of which changed is what
// differs in sets that stay. From then on the kernel counts as holding it.
func (b *Backend) toContent(changed changes) ([]Step, error) {
	have := b.held
	w, copies, err := want(b.content)
	if err != nil {
		return nil, err
	}
	diffs := b.spread(changed, copies)
	if b.read {
		diffs = compared(have, w)
	} else {
		maps.Copy(diffs, compared(small(have, copies), small(w, copies)))
	}
	// The sets of w share their elements with the content, so they are no record of the kernel's.
	b.held, b.copies, b.read = w, copies, false
	for name := range w.sets {
		delete(b.pending, name)
	}
	b.known = map[ruleset.Family]map[ruleset.ChainID]chains{}
	for _, f := range ruleset.Families {
		b.known[f] = parts(w.tables[f][mainTable].chains)
	}
	return plan(have, w, copies, diffs), nil
}

// renew brings the kernel to the content. purpose is what that is for, as an error says it.
func (b *Backend) renew(ctx context.Context, purpose string) error {
	if err := b.refresh(ctx); err != nil {
		return fmt.Errorf("%s: %w", purpose, err)
	}
	steps, err := b.toContent(nil)
	if err == nil {
		err = b.carryOut(ctx, steps)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", purpose, err)
	}
	return nil
}

// small is the sets of a kernel that are no copies: they are made anew for each delta.
func small(k kernel, copies map[string]setCopy) kernel {
	rest := kernel{sets: maps.Clone(k.sets)}
	for name := range copies {
		delete(rest.sets, name)
	}
	return rest
}

// touchesRules reports whether a delta changes more than members of sets.
func touchesRules(d ruleset.Delta) bool {
	members := ruleset.Delta{DelMembers: d.DelMembers, AddMembers: d.AddMembers}
	d.DelMembers, d.AddMembers = nil, nil
	tunnels := func(m ruleset.Members) bool { return m.Set == ruleset.TunnelPorts() }
	return !d.Empty() || slices.ContainsFunc(members.DelMembers, tunnels) ||
		slices.ContainsFunc(members.AddMembers, tunnels)
}

// touchesNames reports whether rules depend on members that change: on the names of sets that are
// made of them, and on which link pods are behind.
func (b *Backend) touchesNames(changed changes) bool {
	for id := range changed {
		if id == ruleset.Behind(id.Family) {
			return true
		}
	}
	for _, c := range b.copies {
		if _, is := changed[c.id]; is && c.role == passing {
			return true
		}
	}
	return false
}

// spread returns what changes in each copy of the sets that change. Those whose members never
// change are other sets by now.
func (b *Backend) spread(changed changes, copies map[string]setCopy) map[string]change {
	diffs := map[string]change{}
	if len(changed) == 0 {
		return diffs
	}
	for name, c := range copies {
		_, there := b.held.sets[name] // what is not is made with all that it has by now
		if ch, is := changed[c.id]; is && there && c.role != passing {
			diffs[name] = ch
		}
	}
	return diffs
}

// carryOut brings the kernel to what it counts as holding. After an error it has to be read again.
func (b *Backend) carryOut(ctx context.Context, steps []Step) error {
	if len(steps) > 0 {
		b.intact.Store(nil)
	}
	err := b.runSteps(ctx, steps)
	b.stale = err != nil
	return err
}

// runSteps runs the programs for some steps. Steps of sets that follow each other share a process.
func (b *Backend) runSteps(ctx context.Context, steps []Step) error {
	var lines []string
	for _, s := range steps {
		if lines = append(lines, s.Sets...); len(s.Rules) == 0 {
			continue
		}
		if err := b.restoreSets(ctx, lines); err != nil {
			return err
		}
		lines = nil
		for _, f := range ruleset.Families {
			if s.Rules[f] == "" {
				continue
			}
			if err := b.restoreRules(ctx, f, s.Rules[f]); err != nil {
				return err
			}
		}
		if err := b.learnSpelling(ctx, s.Rules); err != nil {
			return err
		}
	}
	if err := b.restoreSets(ctx, lines); err != nil {
		return err
	}
	for _, s := range steps {
		for _, name := range s.Destroy {
			b.pending[name] = true
		}
	}
	b.collect(ctx)
	return nil
}

// Cleanup removes everything that any backend of this package has made.
func (b *Backend) Cleanup(ctx context.Context) (removed bool, err error) {
	removed, err = b.cleanupBridges()
	if err != nil {
		return removed, err
	}
	k, err := b.readKernel(ctx)
	if err != nil || k.empty() {
		return removed, err
	}
	err = b.carryOut(ctx, plan(k, newKernel(), nil, nil))
	if err == nil && len(b.pending) > 0 {
		err = fmt.Errorf("%d sets are still in use", len(b.pending))
	}
	return true, err
}
