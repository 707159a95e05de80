// Package nflog reads the packets that the rules of both backends deny and log (NFLOG). The kernel
// keeps a group for one process of a network namespace, and bounds how much waits for it; what
// there is no room for is lost, and counted.
//
//	log rule, 10 a second and chain ─► NFLOG group 86 ─► Reader ─► ruleset.Logged
//
// It reads by recvfrom into one buffer, and of each packet only what is told. go-nflog makes a value on
// the heap of each attribute, hands over messages of any sender, and does not say how much was lost.
package nflog
