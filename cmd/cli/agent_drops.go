//go:build linux

package cli

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/picket-project/picket/controller"
	"github.com/picket-project/picket/controller/drops"
	"github.com/picket-project/picket/nft/iptables"
	"github.com/picket-project/picket/nft/nflog"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// dropOptions are the flags of agent for what is denied.
type dropOptions struct{ read, log, events bool }

// bind adds the flags to those of the agent.
func (o *dropOptions) bind(flags *pflag.FlagSet) {
	flags.BoolVar(&o.read, "read-drops", true, "read the log of denied packets, NFLOG group 86; one "+
		"process of a node can")
	flags.BoolVar(&o.log, "log-drops", false, "a line in the log for denied packets, at most 50 a second")
	flags.BoolVar(&o.events, "drop-events", true, "Events on pods whose packets are denied, at most one "+
		"a minute and pod")
}

// deniedWriter writes Events on pods whose packets were denied.
type deniedWriter interface {
	ReportDenied(ctx context.Context, pod policy.Key, text string) error
}

// dropTeller passes on what was denied: to verbs, the log and Events. What is too much is counted
// there.
type dropTeller struct {
	recent  drops.Recent
	log     *slog.Logger
	lines   bool // are wanted in the log
	notices drops.Notices
	events  chan drops.Drop // nil: there are none
}

// mostEvents is how many Events wait for the API server.
const mostEvents = 16

// watch tells of what is denied until ctx ends. The kernel is that of the calling thread's network
// namespace. Enforcement neither waits for it nor depends on it.
func (o *dropOptions) watch(
	ctx context.Context, c *controller.Controller, b choice, events deniedWriter,
) *dropTeller {
	t := &dropTeller{log: c.Log, lines: o.log}
	namespace, fd, err := threadNamespace()
	if err != nil {
		c.Log.Warn("denied packets are not told of", "error", err)
		return t
	}
	// Events have a goroutine of their own: the API server may be slow, or away.
	if events != nil && o.events {
		t.events = make(chan drops.Drop, mostEvents)
		go t.writeEvents(ctx, events)
	}
	w := &drops.Watcher{Counter: b.counter(fd), Names: c, Meter: c.Health,
		Deliver: t.deliver, Log: c.Log}
	// Without it denied packets are counted all the same.
	if o.read {
		w.Open = func() (drops.Reader, error) { return nflog.Open(fd) }
	}
	// The namespace is that of this thread, and others may open sockets in it later.
	go func() {
		defer namespace.Close()
		w.Run(ctx)
	}()
	return t
}

// iptablesCounter reads the counters of legacy iptables beside the loop.
func iptablesCounter(netNS int) drops.Counter {
	kernel := iptables.Open(iptables.Options{NetNS: netNS})
	return drops.Counter{All: kernel.Denials, Every: 30 * time.Second, LogName: iptables.LogName}
}

// nftCounter reads the counters of nftables.
func nftCounter(kernel nftLooker) drops.Counter {
	some := func(_ context.Context, chains []ruleset.ChainID) ([]ruleset.DenialCount, error) {
		return kernel.Denials(chains)
	}
	all := func(ctx context.Context) ([]ruleset.DenialCount, error) { return some(ctx, nil) }
	return drops.Counter{All: all, Some: some, Every: 10 * time.Second}
}

// mostLogged is how many lines the log gets each second.
const mostLogged = 50

// deliver passes the lines of one second on.
func (t *dropTeller) deliver(list []drops.Drop) {
	t.recent.Add(list)
	// The log has a bound of its own, whatever is denied.
	for i, d := range list {
		if t.lines && i < mostLogged {
			t.log.Info(verdictWord(d), "direction", d.Direction.String(), "from", d.From.String(), "to",
				d.To.String(), "port", d.Port, "packets", d.Packets, "more", d.More, "isolated by",
				d.IsolatedBy, "more policies", d.MorePolicies)
		}
		t.offer(d)
	}
	if more := len(list) - mostLogged; t.lines && more > 0 {
		t.log.Info("denied", "lines that were left out", more)
	}
}

// verdictWord says what happened to the packets.
func verdictWord(d drops.Drop) string {
	if d.Audited {
		return "audited, let through"
	}
	return "denied"
}

// offer has an Event written about a drop if one is due.
func (t *dropTeller) offer(d drops.Drop) {
	pod := d.Subject()
	if t.events == nil || d.Audited || d.Packets == 0 || pod.Pod == "" || pod.Gone ||
		!t.notices.Due(pod.Pod, time.Now()) {
		return
	}
	// Nothing waits for the API server.
	select {
	case t.events <- d:
	default: // the API server is slow
	}
}

// writeEvents writes Events until ctx ends, or the API server says that it may not.
func (t *dropTeller) writeEvents(ctx context.Context, events deniedWriter) {
	for {
		var d drops.Drop
		select {
		case <-ctx.Done():
			return
		case d = <-t.events:
		}
		err := events.ReportDenied(ctx, keyOfEnd(d.Subject()), d.Notice())
		// Rights do not come back by asking.
		if apierrors.IsForbidden(err) {
			t.log.Warn("no Events on pods whose packets are denied: the agent may not create events",
				"error", err)
			return
		}
		if err != nil && ctx.Err() == nil {
			t.log.Debug("an Event was not written", "error", err)
		}
	}
}

// keyOfEnd is the key of the pod at an end.
func keyOfEnd(e drops.End) policy.Key {
	namespace := e.Namespace()
	return policy.Key{Namespace: namespace, Name: e.Pod[len(namespace)+1:]}
}

// answer writes what was denied as a JSON object a line, and what is denied from then on if that is
// asked for.
func (t *dropTeller) answer(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	list, coming := t.recent.List(), (<-chan drops.Drop)(nil)
	// The last lines and those that come are taken at once, so that none is missing between them.
	if r.URL.Query().Get("follow") != "" {
		if list, coming = t.recent.Follow(ctx); coming == nil {
			http.Error(w, "too many follow already", http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	e := json.NewEncoder(w)
	for _, d := range list {
		_ = e.Encode(d)
	}
	// What is there so far goes out before the wait for more.
	for coming != nil {
		out := http.NewResponseController(w)
		_ = out.Flush()
		select {
		case <-ctx.Done():
			return
		case d := <-coming:
			_ = out.SetWriteDeadline(time.Now().Add(longestAnswer))
			if e.Encode(d) != nil {
				return
			}
		}
	}
}
