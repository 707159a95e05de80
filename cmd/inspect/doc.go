// Package inspect answers questions about the policies of a cluster: it is what the verbs of the
// command line are made of, without flags and without printing.
//
//	files ── Read ──▶ Input ── Complete ──▶ policy.Objects ── NodesOf ──▶ Nodes ──▶ answers
//	                  objects, problems,    every pod has a               the program
//	                  notes                 node and an address           of every node
//
// Nodes is a value, and every answer (Matrix is one) is a pure function of it. The programs come
// from manifests today. They can as well come from the objects of a running cluster, or from the
// agents themselves.
//
// # Contract
//
//   - Answers need no kernel: the package builds wherever Go does. It imports neither netlink nor
//     nft nor a client of a cluster.
//   - What is wrong with manifests is part of the Input and never lost: whoever prints an answer
//     prints that, too.
//   - No function changes the objects that it is given.
package inspect
