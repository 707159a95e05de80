// Command bench measures what Picket costs, beside others and beside itself, and writes BENCH.md.
//
//	section ──► part: a table, targets, a chart ──► BENCH.md, *.svg
//
// The graph, the compiler and the nftables backend are measured by Go benchmarks beside their code,
// which the sections run and read; everything else is the agent's binary, its tables and other
// programs.
//
// A section is a file of its own with one function that returns a part; sections lists them.
// Whatever is compared is done by turns in one run: each section measures one of its candidates
// twice, or compares every other of its times with the rest, and what the two differ by (A/A) is
// what a difference between others must exceed to mean anything. The machine is shared, so medians
// count.
//
// Everything that touches the kernel does so in network namespaces of its own.
package main
