package main

import (
	"context"
	"fmt"
)

const bulkText = `All addresses come into a kernel that holds none. Picket fills a new set before
any rule looks at it, in transactions that double what it has; the others take one step: a
transaction of a whole table, a set that is swapped, a table of rules that is committed. Picket's
figures are those of BenchmarkFill, which runs in a process of its own for each turn.`

// runBulk compares at the largest size.
func runBulk(ctx context.Context, s scale) (part, error) {
	p := part{text: bulkText, heads: []string{"by", "addresses", "loads", "median", "/ Picket's"}}
	empty, err := renderEmpty(ctx)
	if err != nil {
		return p, err
	}
	n := largest(s.elements)
	names, turns := []string{picketName}, []turn{fillPicket(ctx, s, n)}
	for _, program := range addressPrograms(empty) {
		k, err := newKernel(program.addressProgram)
		if err != nil {
			return p, fmt.Errorf("%s: %w", program.name, err)
		}
		defer k.close()
		names = append(names, program.name)
		turns = append(turns, func() (samples, error) {
			took, err := k.fill(numbered(n))
			return samples{took}, err
		})
	}
	names, turns = append(names, picketAgainName), append(turns, fillPicket(ctx, s, n))
	all, err := alternate(min(s.rounds, 15), s.limit, turns)
	if err != nil {
		return p, err
	}
	for i, took := range all {
		p.row(names[i], count(n), count(len(took)), short(took.median()), times(took.over(all[0])))
	}
	what := "Picket / " + names[1] + ", " + count(n) + " addresses"
	again := all[len(all)-1].over(all[0])
	p.targets = []target{ratioTarget(what, 0.5, all[0].over(all[1]), again)}
	return p, nil
}

// fillPicket is a turn of the Go benchmark.
func fillPicket(ctx context.Context, s scale, n int) turn {
	pattern := fmt.Sprintf("^BenchmarkFill$/^addresses=%d$", n)
	return func() (samples, error) {
		var f goFigures
		err := s.benchmarks.run(ctx, goBenchmark{nftPackage, pattern, 3, s.short}, &f)
		return f.times(fmt.Sprintf("Fill/addresses=%d", n), "ns/op"), err
	}
}
