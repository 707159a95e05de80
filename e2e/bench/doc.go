// Command bench measures what Picket costs, beside others and beside itself, and writes BENCH.md.
//
//	section ──► part: a table, targets, a chart ──► BENCH.md, *.svg
//
// A section is a file of its own with one function that returns a part; sections lists them. Whatever is compared is
// done by turns in one run: each section measures one of its candidates twice, and what the two differ by (A/A) is
// what a difference between others must exceed to mean anything. The machine is shared, so medians count.
//
// Everything that touches the kernel does so in network namespaces of its own.
package main
