package drops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/picket-project/picket/ruleset"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// denied is what a chain denies.
func denied(chain string) ruleset.Counted { return ruleset.Counted{Chain: ruleset.ChainID(chain)} }

// packet is one that a chain has denied, to a port.
func packet(chain string, port uint16) ruleset.Logged {
	return ruleset.Logged{Chain: chain, FromPort: port + 1, Flow: ruleset.Flow{Proto: ruleset.TCP,
		From: netip.MustParseAddr("10.0.0.1"), To: netip.MustParseAddr("10.0.0.2"), Port: port}}
}

// Packets of one second that differ in the port they come from alone are one line; lines are bounded.
func TestLines(t *testing.T) {
	x := newLines()
	for i := range 3 {
		p := packet("egress/a/b", 80)
		p.FromPort = uint16(i)
		x.add(p, start.Add(time.Duration(i)*time.Millisecond))
	}
	x.add(packet("egress/a/b", 80), start.Add(time.Second))
	list, shown := x.take()
	if len(list) != 2 || list[0].Packets != 3 || list[1].Packets != 1 || shown[logName{chain: "egress/a/b"}] != 4 {
		t.Errorf("%v, %v", list, shown)
	}
	// What an audit lets through has lines and counts of its own.
	audited := packet("egress/a/b", 80)
	audited.Audited = true
	x.add(packet("egress/a/b", 80), start)
	x.add(audited, start)
	if list, shown := x.take(); len(list) != 2 || shown[logName{chain: "egress/a/b"}] != 1 ||
		shown[logName{"egress/a/b", true}] != 1 {
		t.Errorf("%v, %v", list, shown)
	}
	for i := range 3 * maxLines {
		x.add(packet("egress/a/b", uint16(i)), start)
	}
	if list, shown := x.take(); len(list) != maxLines ||
		shown[logName{chain: "egress/a/b"}] != maxLines {
		t.Errorf("%d lines, %v", len(list), shown)
	}
}

// What is denied between two looks is added up, also where a counter begins again.
func TestSums(t *testing.T) {
	type counts []ruleset.DenialCount
	var s sums
	for i, step := range []struct {
		counts counts
		some   bool
		want   map[ruleset.Counted]uint64
	}{
		{counts{{Counted: denied("a"), Rule: 1, Packets: 100}}, false, nil}, // was before the agent
		{counts{{Counted: denied("a"), Rule: 1, Packets: 103}, {Counted: denied("b"), Rule: 2, Packets: 5}}, false,
			map[ruleset.Counted]uint64{denied("a"): 3, denied("b"): 5}},
		{counts{{Counted: denied("a"), Rule: 1, Packets: 104}}, true, map[ruleset.Counted]uint64{denied("a"): 1}},
		// Another rule has another number, so its count of more than before is new as a whole.
		{counts{{Counted: denied("a"), Rule: 9, Packets: 200}, {Counted: denied("b"), Rule: 2, Packets: 5}}, false,
			map[ruleset.Counted]uint64{denied("a"): 200}},
		{counts{{Counted: denied("a"), Rule: 9, Packets: 7}}, true, map[ruleset.Counted]uint64{denied("a"): 7}},
		{counts{}, false, nil},
		{counts{{Counted: denied("b"), Rule: 2, Packets: 6}}, false, map[ruleset.Counted]uint64{denied("b"): 6}},
	} {
		take := s.all
		if step.some {
			take = s.some
		}
		if got := take(step.counts); fmt.Sprint(got) != fmt.Sprint(step.want) &&
			len(got)+len(step.want) > 0 {
			t.Errorf("step %d: %v; expected %v", i, got, step.want)
		}
	}
}

func TestWorkload(t *testing.T) {
	for pod, test := range map[string]struct {
		labels map[string]string
		want   string
	}{
		"api-7d9f8b6c5-x2v4z": {map[string]string{"pod-template-hash": "7d9f8b6c5"}, "api"},
		"api-other":           {map[string]string{"pod-template-hash": "7d9f8b6c5"}, "api-other"},
		"db-0":                {map[string]string{"controller-revision-hash": "db-6d"}, "db"},
		"agent-x2v4z":         {map[string]string{"controller-revision-hash": "6d"}, "agent"},
		"load-x2v4z":          {map[string]string{"batch.kubernetes.io/job-name": "load"}, "load"},
		"night-28391231-x2v":  {map[string]string{"batch.kubernetes.io/job-name": "night-28391231"}, "night"},
		"alone-x2v4z":         {nil, "alone-x2v4z"},
		"-":                   {map[string]string{"controller-revision-hash": "6d"}, "-"},
	} {
		if got := Workload(pod, test.labels); got != test.want {
			t.Errorf("%s: %s; expected %s", pod, got, test.want)
		}
	}
}

// Who reads the Events of a namespace does not learn the names of other namespaces' pods from them.
func TestNotice(t *testing.T) {
	own := End{Pod: "shop/db", Address: netip.MustParseAddr("10.0.0.1")}
	other := End{Pod: "secret/project", Address: netip.MustParseAddr("10.0.0.2")}
	for direction, ends := range map[ruleset.Direction][2]End{ruleset.Ingress: {other, own},
		ruleset.Egress: {own, other}} {
		d := Drop{Direction: direction, From: ends[0], To: ends[1], Port: "tcp/80", Packets: 1,
			IsolatedBy: []string{"shop/deny"}}
		text := d.Notice()
		if strings.Contains(text, "secret") || !strings.Contains(text, "10.0.0.2") ||
			!strings.Contains(text, "shop/db") || !strings.Contains(text, "shop/deny") {
			t.Error(text)
		}
		if !strings.Contains(d.String(), "secret/project") {
			t.Error(d.String())
		}
	}
}

// However many policies isolate a pod, a few are kept by name, and a text names fewer. How many
// another namespace has is nothing that the readers of an Event need to know.
func TestPoliciesAreBounded(t *testing.T) {
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("shop/p%04d", i)
	}
	first, more := FirstPolicies(names)
	if len(first) != mostNamed || cap(first) != mostNamed || len(first)+more != len(names) {
		t.Errorf("%d of %d, and %d more", len(first), cap(first), more)
	}
	d := Drop{Direction: ruleset.Ingress, To: End{Pod: "shop/db"}, IsolatedBy: first, MorePolicies: more}
	const text = "shop/p0000, shop/p0001, shop/p0002, shop/p0003, shop/p0004 and 9995 more"
	if !strings.HasSuffix(d.String(), text) || !strings.HasSuffix(d.Notice(), text) {
		t.Errorf("%s\n%s", d, d.Notice())
	}
	d.IsolatedBy[0] = "other/p"
	if got := d.Notice(); !strings.HasSuffix(got, "p0005 and 14 more") {
		t.Error(got)
	}
}

// However many workloads there are, metrics have so many labels, one for the others of a namespace,
// and one for all others. No namespace takes the room of another.
func TestSubjectsAreBounded(t *testing.T) {
	x := newSubjects()
	subject := func(namespace, workload string) Subject {
		return Subject{ruleset.Egress, namespace, workload}
	}
	for i := range 2 * maxSubjects {
		x.bounded(subject("greedy", fmt.Sprint(i)))
	}
	for at, want := range map[Subject]Subject{
		subject("greedy", "late"): subject("greedy", Other),
		subject("greedy", "1"):    subject("greedy", "1"),
		subject("shop", "api"):    subject("shop", "api"),
	} {
		if got := x.bounded(at); got != want {
			t.Errorf("%v: %v; expected %v", at, got, want)
		}
	}
	for i := range 2 * maxSubjects {
		x.bounded(subject(fmt.Sprint("n", i), "api"))
	}
	if got := x.bounded(subject("late", "api")); got != subject(Other, Other) || len(x.known) != maxSubjects {
		t.Errorf("%v, %d known", got, len(x.known))
	}
}

// A key's former meaning is known for ten minutes, and there are so many at most.
func TestPast(t *testing.T) {
	var p Past[string, string]
	p.End("10.0.0.1", "old", start)
	p.End("10.0.0.1", "new", start.Add(time.Minute))
	at := func(d time.Duration) string { v, _ := p.At("10.0.0.1", start.Add(d)); return v }
	last := func(d time.Duration) string { v, _ := p.Last("10.0.0.1", start.Add(d)); return v }
	if at(-time.Second) != "old" || at(time.Second) != "new" || at(2*time.Minute) != "" ||
		last(2*time.Minute) != "new" || last(30*time.Second) != "old" || last(12*time.Minute) != "" {
		t.Errorf("%+v", p)
	}
	for i := range 2 * mostKept {
		p.End(fmt.Sprint(i), "x", start.Add(time.Minute))
	}
	if len(p.order) != mostKept || len(p.former) != mostKept {
		t.Errorf("%d and %d are kept", len(p.order), len(p.former))
	}
	p.End("late", "x", start.Add(time.Hour))
	if len(p.order) != 1 || len(p.former) != 1 {
		t.Errorf("%d and %d are kept after an hour", len(p.order), len(p.former))
	}
}

// A pod gets an Event a minute at most, fewer the longer it goes on, and all pods six a minute.
func TestNotices(t *testing.T) {
	var n Notices
	told := 0
	for s := range 4 * 3600 {
		if n.Due("a/b", start.Add(time.Duration(s)*time.Second)) {
			told++
		}
	}
	if told < 8 || told > 12 {
		t.Errorf("%d Events in four hours", told)
	}
	n, told = Notices{}, 0
	for i := range 100 {
		if n.Due(fmt.Sprint(i), start.Add(time.Duration(i)*100*time.Millisecond)) {
			told++
		}
	}
	if told != noticesAMinute {
		t.Errorf("%d Events about 100 pods in ten seconds", told)
	}
	if n.Due("a/b", start.Add(time.Hour)); !n.Due("a/c", start.Add(2*time.Hour)) {
		t.Error("no Event after two quiet hours")
	}
}

// The last lines are kept, and who follows too slowly holds nobody up.
func TestRecent(t *testing.T) {
	var r Recent
	ctx, stop := context.WithCancel(t.Context())
	for range maxFollowers {
		if _, coming := r.Follow(ctx); coming == nil {
			t.Fatal("too many follow")
		}
	}
	if _, coming := r.Follow(ctx); coming != nil {
		t.Error("more follow than there is room for")
	}
	for i := range 2 * maxRecent {
		r.Add([]Drop{{Packets: i}})
	}
	if list := r.List(); len(list) != maxRecent || list[0].Packets != maxRecent {
		t.Errorf("%d are kept, the first is %+v", len(list), list[0])
	}
	stop()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, coming := r.Follow(t.Context()); coming != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody can follow after all have left")
		}
	}
}

// world is all that a watcher works with.
type world struct {
	counted   map[ruleset.Counted]uint64 // by the kernel
	meanwhile func()                     // what happens when it has been counted; nil: nothing
	busy      bool                       // the loop does not answer
	metered   map[ruleset.Counted]uint64
	delivered []Drop
	chains    []ruleset.ChainID // that the loop knows
}

func (w *world) Name(_ context.Context, lines []Line) (list []Drop, err error) {
	if w.busy {
		return nil, context.DeadlineExceeded
	}
	for _, l := range lines {
		list = append(list, Drop{From: End{Pod: string(l.Chain)}, Packets: l.Packets, More: l.More,
			Audited: l.Logged.Audited})
	}
	return list, nil
}

func (w *world) Subjects(_ context.Context, chains []ruleset.ChainID) (list []Subject, err error) {
	if w.busy {
		return nil, context.DeadlineExceeded
	}
	for _, id := range chains {
		list = append(list, Subject{Workload: string(id)})
	}
	return list, nil
}

func (w *world) Chains(context.Context) ([]ruleset.ChainID, error) {
	if w.busy {
		return nil, context.DeadlineExceeded
	}
	return w.chains, nil
}

func (w *world) CountDenied(s Subject, n uint64) {
	w.metered[denied(s.Workload)] += n
}

func (w *world) CountAudited(s Subject, n uint64) {
	w.metered[ruleset.Counted{Chain: ruleset.ChainID(s.Workload), Audited: true}] += n
}

func (w *world) CountLost(uint64) {}
func (w *world) Reading(bool)     {}

// count is what the kernel counts of some chains; nil: of all.
func (w *world) count(_ context.Context, chains []ruleset.ChainID) (list []ruleset.DenialCount, err error) {
	for of, n := range w.counted {
		if chains == nil || slices.Contains(chains, of.Chain) {
			list = append(list, ruleset.DenialCount{Counted: of, Rule: 1, Packets: n})
		}
	}
	if w.meanwhile != nil {
		w.meanwhile()
	}
	return list, nil
}

// watcher returns one that has looked once.
func (w *world) watcher(ctx context.Context) *Watcher {
	w.counted, w.metered = map[ruleset.Counted]uint64{denied("a"): 1000}, map[ruleset.Counted]uint64{}
	x := &Watcher{Names: w, Meter: w, Counter: Counter{Every: time.Hour, Some: w.count,
		All: func(ctx context.Context) ([]ruleset.DenialCount, error) { return w.count(ctx, nil) }},
		Deliver: func(list []Drop) { w.delivered = append(w.delivered, list...) },
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil))}
	x.prepare()
	x.countAll(ctx)
	return x
}

// deny has the kernel deny packets of which the log shows some.
func (w *world) deny(x *Watcher, chain string, packets, shown int) {
	w.counted[denied(chain)] += uint64(packets)
	for range shown {
		x.lines.add(packet(chain, 80), start)
	}
}

// What the log left out is told with the lines of its chain; nothing is told twice.
func TestMoreIsTold(t *testing.T) {
	w := &world{}
	x := w.watcher(t.Context())
	w.deny(x, "a", 5000, 20)
	w.deny(x, "b", 3, 3)
	x.tell(t.Context())
	w.deny(x, "a", 700, 4) // the end of the flood
	x.tell(t.Context())
	w.deny(x, "a", 2, 2)
	x.tell(t.Context())
	x.counted = time.Time{} // all are due
	x.tell(t.Context())
	var got []string
	for _, d := range w.delivered {
		got = append(got, fmt.Sprint(d.From, " ", d.Packets, "+", d.More))
	}
	slices.Sort(got)
	if text := strings.Join(got, ", "); text != "a 2+0, a 20+4980, a 4+696, b 3+0" {
		t.Error(text)
	}
	if w.metered[denied("a")] != 5702 || w.metered[denied("b")] != 3 {
		t.Errorf("%v", w.metered)
	}
	if len(x.hot)+len(x.waiting)+len(x.uncredited)+len(x.balance) > 0 {
		t.Errorf("left: %v, %v, %v, %v", x.hot, x.waiting, x.uncredited, x.balance)
	}
}

// A chain whose name is too long for the log has its own name in the first line already.
func TestShortenedNames(t *testing.T) {
	w := &world{chains: []ruleset.ChainID{"a", "b"}}
	x := w.watcher(t.Context())
	x.Counter.Some = nil
	x.Counter.LogName = func(id ruleset.ChainID) string { return string(id)[:1] + "~" }
	x.lines.add(packet("b~", 80), start)
	x.lines.add(packet("others", 80), start)
	w.busy = true
	x.tell(t.Context())
	if w.busy = false; len(w.delivered)+len(x.waiting) > 0 {
		t.Errorf("told before the names are known: %v, %v", w.delivered, x.waiting)
	}
	x.tell(t.Context())
	if len(w.delivered) != 2 || w.delivered[0].From.Pod+w.delivered[1].From.Pod != "bothers" &&
		w.delivered[0].From.Pod+w.delivered[1].From.Pod != "othersb" {
		t.Errorf("%+v", w.delivered)
	}
}

// queue is a log that is read whenever a watcher reads.
type queue struct{ packets []ruleset.Logged }

func (q *queue) Read(_ time.Time, take func(ruleset.Logged)) (uint64, error) {
	for _, p := range q.packets {
		take(p)
	}
	q.packets = nil
	return 0, nil
}

func (q *queue) Close() error { return nil }

// Whatever is denied or audited, when it is counted and what of it the log shows, loses or has no room
// for: what is told in the end is what was counted, and no packet is told twice.
func TestAllIsToldOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, q, sent := &world{}, &queue{}, map[ruleset.Counted]uint64{}
		x := w.watcher(t.Context())
		x.reader = q
		// A packet is counted and logged at once; the log shows some, and loses some of these.
		deny := func() {
			for range rapid.IntRange(0, 3).Draw(t, "chains") {
				of := ruleset.Counted{Chain: ruleset.ChainID(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "chain")),
					Audited: rapid.Bool().Draw(t, "audited")}
				n := rapid.IntRange(1, 100).Draw(t, "packets")
				sent[of] += uint64(n)
				w.counted[of] += uint64(n)
				for range rapid.IntRange(0, min(n, 30)).Draw(t, "shown") {
					p := packet(string(of.Chain), uint16(rapid.IntRange(1, 2000).Draw(t, "port")))
					p.Audited = of.Audited
					q.packets = append(q.packets, p)
				}
			}
		}
		w.meanwhile = deny
		for range rapid.IntRange(1, 10).Draw(t, "seconds") {
			deny()
			w.busy = rapid.Bool().Draw(t, "the loop is busy")
			if rapid.Bool().Draw(t, "all are due") {
				x.counted = time.Time{}
			}
			x.gather(t.Context(), time.Now())
			x.tell(t.Context())
		}
		w.busy, w.meanwhile = false, nil
		for range 2 {
			x.counted = time.Time{}
			x.gather(t.Context(), time.Now())
			x.tell(t.Context())
		}
		told := map[ruleset.Counted]uint64{}
		for _, d := range w.delivered {
			told[ruleset.Counted{Chain: ruleset.ChainID(d.From.Pod), Audited: d.Audited}] += uint64(d.Packets) + d.More
		}
		if !maps.Equal(told, sent) || !maps.Equal(w.metered, sent) {
			t.Fatalf("told %v, metrics %v; expected %v", told, w.metered, sent)
		}
		if len(x.balance) > 0 {
			t.Fatalf("left: %v", x.balance)
		}
	})
}

// While the loop is busy lines wait, so many at most, and what is left out is told as more.
func TestBusyLoop(t *testing.T) {
	w := &world{}
	x := w.watcher(t.Context())
	w.busy = true
	for range 3 {
		for port := range maxLines {
			x.lines.add(packet("a", uint16(port)), start)
		}
		w.counted[denied("a")] += maxLines
		x.tell(t.Context())
		if len(x.waiting) > 2*maxLines {
			t.Fatalf("%d lines wait", len(x.waiting))
		}
	}
	w.busy = false
	w.deny(x, "a", sampled, sampled)
	x.tell(t.Context())
	x.tell(t.Context())
	sum := uint64(0)
	for _, d := range w.delivered {
		sum += uint64(d.Packets) + d.More
	}
	if sum != 3*maxLines+sampled || w.metered[denied("a")] != sum {
		t.Errorf("%d packets are told of, %v counted", sum, w.metered)
	}
}

// A log that another process has is asked for again, and said once.
func TestLogIsHeld(t *testing.T) {
	w := &world{}
	x := w.watcher(t.Context())
	asked := 0
	x.Open = func() (Reader, error) { asked++; return nil, errors.New("held") }
	for range 3 {
		x.retry = time.Time{}
		x.gather(t.Context(), time.Now())
	}
	if asked != 3 || x.said["read denied packets"] != "held" {
		t.Errorf("asked %d times, said %q", asked, x.said)
	}
}
