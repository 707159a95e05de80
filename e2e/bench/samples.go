package main

import (
	"slices"
	"time"
)

// samples are the times that the same thing took.
type samples []time.Duration

// at returns the time below which that share of the samples is; 0 if there are none.
func (s samples) at(share float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func (s samples) median() time.Duration { return s.at(0.5) }

func (s samples) sum() (sum time.Duration) {
	for _, d := range s {
		sum += d
	}
	return sum
}

// over is how many times as long as the other something took; 0 where one of them was not measured.
func (s samples) over(other samples) float64 {
	if len(s) == 0 || len(other) == 0 {
		return 0
	}
	return float64(s.median()) / float64(other.median())
}

// half returns every other sample, from the first (0) or the second (1) on.
func (s samples) half(which int) (h samples) {
	for i, d := range s {
		if i%2 == which {
			h = append(h, d)
		}
	}
	return h
}

// again is the A/A of something that was measured once: one half of the samples over the other.
func (s samples) again() float64 { return s.half(1).over(s.half(0)) }

// turn is what a candidate does when it is its turn: some samples.
type turn func() (samples, error)

// alternate gives every candidate its turn, again and again: rounds times, or until the time is up.
// A slow one sits out once it has used up its share of the time.
func alternate(rounds int, limit time.Duration, turns []turn) ([]samples, error) {
	all := make([]samples, len(turns))
	share := limit / time.Duration(len(turns))
	for range rounds {
		for i, take := range turns {
			if all[i].sum() > share {
				continue
			}
			taken, err := take()
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], taken...)
		}
	}
	return all, nil
}

// timed returns how long a function takes.
func timed(do func() error) (time.Duration, error) {
	start := time.Now()
	err := do()
	return time.Since(start), err
}
