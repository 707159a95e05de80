package main

import (
	"slices"
	"time"
)

// samples is how long the same thing took, each time.
type samples []time.Duration

// at returns the value below which that share of the samples is; 0 if there are none.
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

// turn is what a candidate does when it is its turn: some samples.
type turn func() (samples, error)

// alternate lets every candidate have its turn, again and again: rounds times, or until the time is up. A slow one
// sits out once it has used up its share of the time.
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

func timed(do func() error) (time.Duration, error) {
	start := time.Now()
	err := do()
	return time.Since(start), err
}
