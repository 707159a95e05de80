// Package ebtables reads and replaces tables of legacy ebtables: what the kernel asks about frames
// on bridges where it has no nf_tables. It knows nothing of pods.
//
//	getsockopt ─► decode ─► Table ──┐
//	Layout: chains, who leads there ├─► With: others' rules as they are ─► encode ─► setsockopt
//
// The kernel takes a table as a whole, at once (linux/netfilter_bridge/ebtables.h). The program
// ebtables-legacy does the same, for one rule in each process; it prints what is made here. A table
// that is replaced here has others' rules, chains and counters byte for byte as they were.
//
// Between a look and the replacement somebody else can change the table. The kernel then refuses
// where the number of rules is another one, unless the table was read with none: a first rule that
// libvirt or docker adds in that moment is lost. A lock is held that the program takes with
// --concurrent. What an unlucky moment undoes of ours, who looks at it again puts right.
//
// Numbers are those of kernels of 64 bits; on others there is no ebtables here.
package ebtables
