package ruleset

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// wantRoundTrip wants a value to be the same after it was sent as JSON.
func wantRoundTrip[T any](t *rapid.T, value T) {
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(value, back, equalValues); diff != "" {
		t.Fatalf("sent (-), received (+):\n%s\n%s", diff, text)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := programs().Draw(t, "a"), programs().Draw(t, "b")
		a.Sets = append(a.Sets, FixedSets()...)
		a.Sets = append(a.Sets, LinkSets([]Link{{Name: "cni0",
			Addrs: []netip.Addr{addr("10.0.0.5")}}})...)
		have := observe(t, holding(t, b))
		d := Diff(have, a)
		_, trace := b.Decide(Flow{addresses().Draw(t, "from"), addresses().Draw(t, "to"), TCP, 2})
		wantRoundTrip(t, *a)
		wantRoundTrip(t, have)
		wantRoundTrip(t, d)
		wantRoundTrip(t, trace)
	})
}

func TestTextOfIDs(t *testing.T) {
	for _, id := range []SetID{
		{}, web, metrics, blocks4, blocks6, PortsOf("ingress/a/x"), SpansID(SCTP, "x"),
		TunnelPorts(),
		Behind(IPv6), Bound(IPv4), NodeAddrs(IPv6), KnownPods(IPv4), LocalRange(IPv6),
	} {
		text, _ := id.MarshalText()
		var back SetID
		if err := back.UnmarshalText(text); err != nil || back != id {
			t.Errorf("%q is read as %v: %v", text, back, err)
		}
	}
	for _, text := range []string{"pods4", "pods5-a", "spans-icmp-x", "PODS4-a", "ports64-a"} {
		if err := new(SetID).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is the name of a set", text)
		}
	}
	for _, text := range []string{"", "ingress", "ingress x", "sideways 10.0.0.1", "10.0.0.1"} {
		if err := new(Subject).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a subject", text)
		}
	}
	for _, p := range []Protocol{AnyProtocol, TCP, UDP, SCTP, 1, 47, 255} {
		text, _ := p.MarshalText()
		var back Protocol
		if err := back.UnmarshalText(text); err != nil || back != p {
			t.Errorf("%q is read as %v: %v", text, back, err)
		}
	}
}
