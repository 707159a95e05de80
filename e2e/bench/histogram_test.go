package main

import (
	"math"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	before := histogram{upTo: map[float64]int{0.001: 5, 0.01: 7, math.Inf(1): 8}, count: 8}
	after := histogram{upTo: map[float64]int{0.001: 6, 0.01: 16, math.Inf(1): 18}, count: 18}
	d := after.since(before)
	if d.count != 10 || d.at(0.1) != time.Millisecond || d.at(0.5) != 10*time.Millisecond ||
		d.at(1) != 0 {
		t.Errorf("%+v: %v, %v, %v", d, d.at(0.1), d.at(0.5), d.at(1))
	}
}
