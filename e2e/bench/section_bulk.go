package main

import (
	"context"
)

const bulkText = `All addresses come into a kernel that holds none. Picket fills a new set before any rule looks at it, in
transactions that double what it has; the others take one step: a transaction of a whole table, a set that is swapped, a
table of rules that is committed.`

// runBulk compares at the largest size.
func runBulk(_ context.Context, s scale) (part, error) {
	p := part{text: bulkText, heads: []string{"by", "addresses", "loads", "median", "/ Picket's"}}
	list, err := openRivals()
	if err != nil {
		return p, err
	}
	defer closeRivals(list)
	addrs := numbered(largest(s.elements))
	var turns []turn
	for _, r := range list {
		turns = append(turns, func() (samples, error) {
			took, err := r.load(addrs)
			return samples{took}, err
		})
	}
	all, err := alternate(min(s.rounds, 15), s.limit, turns)
	if err != nil {
		return p, err
	}
	for i, took := range all {
		p.row(rivals[i].name, count(len(addrs)), count(len(took)), short(took.median()), times(took.over(all[0])))
	}
	p.targets = []target{ratioTarget("Picket / "+rivals[1].name+", "+count(len(addrs))+" addresses", 0.5, all[0].over(all[1]), all[len(all)-1].over(all[0]))}
	return p, nil
}
