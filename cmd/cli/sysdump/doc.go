// Package sysdump makes one file of all that somebody else needs to find out what is wrong with a
// cluster's policies. There is nothing secret in it: of pods their labels, addresses and ports, no
// environment, no annotations, no commands.
//
//	API server: objects, without what is not needed ─┐
//	agents: status, state, metrics, log ─────────────┴─► tar.gz, with a list of what is missing
package sysdump
