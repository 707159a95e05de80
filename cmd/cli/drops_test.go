//go:build linux

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/drops"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// sampleDrops are one of egress, one of ingress from nobody, and one that is no line of its own.
func sampleDrops() []drops.Drop {
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 12, 6, s, 0, time.Local) }
	return []drops.Drop{
		{Time: at(1), Node: "n1", Direction: ruleset.Egress, Packets: 3, Port: "tcp/8080", More: 37,
			From:       drops.End{Pod: "shop/stranger", Address: netip.MustParseAddr("10.244.1.5")},
			To:         drops.End{Pod: "shop/backend", Address: netip.MustParseAddr("10.244.2.5")},
			IsolatedBy: []string{"shop/default-deny", "shop/dns"}, Nearest: "shop/dns egress[0]"},
		{Time: at(4), Node: "n1", Direction: ruleset.Ingress, Packets: 12, Port: "icmp/8",
			From:       drops.End{Address: netip.MustParseAddr("10.244.9.9"), NoPod: true},
			To:         drops.End{Pod: "mon/db-7d9f8b6c5-x2v4z", Address: netip.MustParseAddr("10.244.1.7")},
			IsolatedBy: []string{"mon/a", "mon/b", "mon/c"}},
		{Time: at(5), Node: "n1", Direction: ruleset.Ingress, More: 700, IsolatedBy: []string{},
			To: drops.End{Pod: "mon/db-7d9f8b6c5-x2v4z"}},
		{Time: at(6), Node: "n1", Direction: ruleset.Ingress, Packets: 2, Port: "tcp/5432", Audited: true,
			From: drops.End{Pod: "etl/load"}, To: drops.End{Pod: "etl/db"},
			IsolatedBy: []string{"etl/db-in"}},
	}
}

// The table fits 80 columns and says what was left out.
func TestDropsPage(t *testing.T) {
	for namespace, want := range map[string]string{
		"": `TIME      FROM                 TO                       N   DENIED BY
12:06:01  shop/stranger        shop/backend tcp/8080    3   egress default-deny,
                                                            dns
          37 more of shop/stranger were counted and not shown (10 a second)
12:06:04  10.244.9.9 (no pod)  mon/db-7d9f8b6c5-x2v4z icmp/8  12
    ingress a, b +1
12:06:05  several              mon/db-7d9f8b6c5-x2v4z   -   ingress -
          700 more of mon/db-7d9f8b6c5-x2v4z were counted and not shown (10 a
          second)
12:06:06  etl/load             etl/db tcp/5432          2   audit: ingress db-in
`,
		"shop": `TIME      FROM          TO                N   DENIED BY
12:06:01  stranger      backend tcp/8080  3   egress default-deny, dns
          37 more of stranger were counted and not shown (10 a second)
`,
		"none": "nothing was denied lately\n",
	} {
		o := dropsOptions{wants: dropFilter{namespace: namespace}}
		var report dropsReport
		_, client := tellerOf(t, sampleDrops())
		must(t, o.each(t.Context(), client, agent.DropsPath, func(d drops.Drop) {
			report.Drops = append(report.Drops, d)
		}))
		p := newPage(&strings.Builder{})
		p.drops(report, o.wants)
		if diff := cmp.Diff(want, p.String()); diff != "" {
			t.Errorf("-n %s:\n%s\n%s", namespace, p.String(), diff)
		}
	}
}

// tellerOf is an agent that has told of drops, and how to ask it.
func tellerOf(t *testing.T, list []drops.Drop) (*dropTeller, agent.Client) {
	t.Helper()
	teller := &dropTeller{log: slog.New(slog.DiscardHandler)}
	teller.deliver(list)
	server := httptest.NewServer(http.HandlerFunc(teller.answer))
	t.Cleanup(server.Close)
	return teller, agent.Client{Node: "n1", Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}}
}

// Each flag leaves out what it does not name, and a name without a namespace needs one.
func TestDropFilter(t *testing.T) {
	for _, test := range []struct {
		filter dropFilter
		want   []int
	}{
		{dropFilter{}, []int{0, 1, 2, 3}},
		{dropFilter{namespace: "mon"}, []int{1, 2}},
		{dropFilter{from: "shop/stranger"}, []int{0}},
		{dropFilter{from: "stranger", namespace: "shop"}, []int{0}},
		{dropFilter{from: "shop/strange"}, nil},
		{dropFilter{from: "10.244.9.9"}, []int{1}},
		{dropFilter{from: "node/"}, nil},
		{dropFilter{to: "mon/db"}, []int{1, 2}},
		{dropFilter{policy: "mon/b"}, []int{1}},
		{dropFilter{policy: "dns", namespace: "shop"}, []int{0}},
		// It can be one of those that a drop does not name, if it is of the same namespace.
		{dropFilter{policy: "etl/z"}, []int{3}},
		{dropFilter{policy: "shop/z"}, nil},
	} {
		var got []int
		list := sampleDrops()
		list[3].MorePolicies = 7
		for i, d := range list {
			if test.filter.matches(d) {
				got = append(got, i)
			}
		}
		if err := test.filter.Validate(); !slices.Equal(got, test.want) || err != nil {
			t.Errorf("%+v: %v, %v; expected %v", test.filter, got, err, test.want)
		}
	}
	for _, wrong := range []dropFilter{{from: "web"}, {to: "a/b/c"}, {policy: "10.0.0.1"}} {
		if err := wrong.Validate(); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}

// Who follows gets what was denied before and what is denied then, in each form.
func TestFollowDrops(t *testing.T) {
	for format, want := range map[string]string{"json": `"more":37`, "yaml": "kind: Drop",
		"table": "37 more of"} {
		teller, client := tellerOf(t, sampleDrops()[:1])
		ctx, stop := context.WithCancel(t.Context())
		out := &seen{stop: stop, after: "12:06:04", between: func() { teller.deliver(sampleDrops()[1:2]) }}
		var o dropsOptions
		o.output = format
		cmd := &cobra.Command{}
		cmd.SetOut(out)
		must(t, o.follow(ctx, cmd, []agent.Client{client}))
		if !strings.Contains(out.text.String(), want) {
			t.Errorf("%s: %s", format, out.text.String())
		}
	}
}

// seen ends what is followed once a text was written.
type seen struct {
	text  bytes.Buffer
	after string
	stop  func()
	// between is called once, when something was written.
	between func()
}

func (s *seen) Write(b []byte) (int, error) {
	n, err := s.text.Write(b)
	if s.between != nil && strings.Contains(s.text.String(), "12:06:01") {
		s.between()
		s.between = nil
	}
	if strings.Contains(s.text.String(), s.after) {
		s.stop()
	}
	return n, err
}

// SCHEMA.md names each field of the answer for programs.
func TestDropsSchema(t *testing.T) {
	text, err := os.ReadFile("SCHEMA.md")
	must(t, err)
	_, section, _ := strings.Cut(string(text), "## Drops")
	for _, part := range []any{dropsReport{}, drops.Drop{}, drops.End{}} {
		for i := range reflect.TypeOf(part).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(part).Field(i).Tag.Get("json"), ",")
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("%T: SCHEMA.md does not name %s", part, name)
			}
		}
	}
	data, err := json.Marshal(drops.Drop{IsolatedBy: []string{}})
	if must(t, err); bytes.Contains(data, []byte("null")) {
		t.Errorf("%s", data)
	}
}

// eventLog is an API server that takes some Events.
type eventLog struct {
	texts chan string
	room  int
}

func (e *eventLog) ReportDenied(_ context.Context, pod policy.Key, text string) error {
	if e.room == 0 {
		return apierrors.NewForbidden(corev1.Resource("events"), "", nil)
	}
	e.room--
	e.texts <- pod.String() + ": " + text
	return nil
}

// A pod gets an Event that says who sent what; where that is forbidden nobody asks again.
func TestDropEvents(t *testing.T) {
	log := &eventLog{make(chan string, 9), 1}
	teller := &dropTeller{log: slog.New(slog.DiscardHandler), events: make(chan drops.Drop, mostEvents)}
	done := make(chan bool)
	go func() { teller.writeEvents(t.Context(), log); close(done) }()
	teller.deliver(sampleDrops())
	want := "shop/stranger: shop/stranger -> shop/backend tcp/8080: egress is isolated by " +
		"shop/default-deny, shop/dns"
	if got := <-log.texts; got != want {
		t.Error(got)
	}
	<-done
	teller.deliver(slices.Repeat(sampleDrops(), 2*mostEvents)) // nobody waits for anybody
}
