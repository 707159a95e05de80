// Package inspect answers questions about the policies of a cluster: it is what the verbs of the
// command line are made of, without flags and without printing.
//
//	files ── Read ──▶ Input ── Complete ──▶ policy.Objects ── NodesOf ──▶ Nodes ──▶ answers
//	                  objects, problems,    every pod has a               the program
//	                  notes                 node and an address           of every node
//
// Nodes is a value. Package ask holds a cluster as a value, too, that questions are put to, and the
// packages why, reach, coverage, lint and report are the answers: pure functions of it. Its objects come
// from files, or from a cluster.
//
// # Contract
//
//   - Answers need no kernel: the package builds wherever Go does. It imports neither netlink nor
//     nft nor a client of a cluster.
//   - What is wrong with manifests is part of the Input and never lost: whoever prints an answer
//     prints that, too.
//   - No function changes the objects that it is given.
package inspect
