package main

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// Growth is what the last quarter has more than the second: what happens before, and noise, says
// nothing.
func TestSoakFindsGrowth(t *testing.T) {
	for _, test := range []struct {
		name   string
		memory func(n int) float64
		faults int
	}{
		{"flat", func(int) float64 { return 50 * megabyte }, 0},
		{"warming up", func(n int) float64 { return float64(min(n, 25)) * megabyte }, 0},
		{"noise", func(n int) float64 { return float64(50+n%7) * megabyte }, 0},
		{"growing", func(n int) float64 { return float64(50+n) * megabyte }, 1},
	} {
		k := &soaking{testbed: &testbed{report: &report{}}}
		var samples []metrics
		for n := range 100 {
			samples = append(samples,
				metrics{memory: test.memory(n), goroutines: 10, descriptor: 10})
		}
		k.checkGrowth("n1", samples)
		if len(k.testbed.faults) != test.faults {
			t.Errorf("%s: %q", test.name, k.testbed.faults)
		}
	}
}

func TestCorpusIsFound(t *testing.T) {
	all, err := wrongObjects("../..")
	if err != nil || len(all) < 190 {
		t.Fatalf("%d cases, %v", len(all), err)
	}
	denied, told := 0, 0
	for _, w := range all {
		if w.content == "" || w.file() != "wrong.yaml" && w.file() != "wrong.json" {
			t.Errorf("%s: %s of %d bytes", w.name, w.file(), len(w.content))
		}
		if w.denied {
			denied++
		}
		if w.told {
			told++
		}
	}
	if denied < 100 || told < 100 || told == len(all) {
		t.Errorf("%d denied, %d told, of %d", denied, told, len(all))
	}
}

func TestArchiveSections(t *testing.T) {
	got := sections("# why\n-- a.yaml --\nx: 1\n---\n-- b --\n")
	if got["a.yaml"] != "x: 1\n---\n" || len(got) != 3 {
		t.Errorf("%q", got)
	}
}

// Pieces come together to what they were taken from, and overlapping ones say what they hide.
func TestPieces(t *testing.T) {
	from, to := netip.MustParseAddrPort("10.0.0.1:7"), netip.MustParseAddrPort("10.0.0.2:81")
	payload := datagram(from, to, numbered("x", 1, true))
	for name, cut := range map[string]func([]byte) []fragment{"tiny": tiny, "backwards": backwards,
		"overlapping": overlapping} {
		whole := make([]byte, len(payload))
		for _, p := range cut(slices.Clone(payload)) {
			copy(whole[p.offset:], p.data)
			if p.offset%8 != 0 || p.last != (p.offset+len(p.data) == len(payload)) {
				t.Errorf("%s: piece at %d of %d bytes, last %t", name, p.offset, len(p.data),
					p.last)
			}
		}
		if !bytes.Equal(whole, payload) {
			t.Errorf("%s: %x, want %x", name, whole, payload)
		}
	}
	if first := overlapping(slices.Clone(payload))[0].data; first[3] != 80 {
		t.Errorf("the first piece speaks of port %d", first[3])
	}
}

// What is run to remove another engine's rules is what the text for operators has.
func TestMovingRunsWhatIsDocumented(t *testing.T) {
	for _, e := range engines() {
		commands, err := documented("../..", e.name)
		if err != nil || len(strings.Fields(commands)) < 3 {
			t.Errorf("%s: %q, %v", e.name, commands, err)
		}
	}
	if commands, err := documented("../..", "none"); err == nil {
		t.Errorf("an engine that is not there: %q", commands)
	}
}

// Rows that take long run by their names only.
func TestRowsByName(t *testing.T) {
	all, err := choose(rows(), "")
	if err != nil || slices.ContainsFunc(all, byName) || len(all) < 30 {
		t.Errorf("%d rows, %v", len(all), err)
	}
	if one, err := choose(rows(), "moving-kube-router"); err != nil || len(one) != 1 {
		t.Errorf("%v, %v", one, err)
	}
}

func TestChecksum(t *testing.T) { // the example of RFC 1071
	data := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := checksum(data); got != ^uint16(0xddf2) {
		t.Errorf("%x", got)
	}
}

func TestSpread(t *testing.T) {
	if got := spread([]time.Duration{3 * time.Second, time.Second,
		2 * time.Second}); got != "2s (median), 3s (longest)" {
		t.Error(got)
	}
}
