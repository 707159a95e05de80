package main

import (
	"fmt"
	"time"
)

// check is one command under one kernel. It passes with exit code 0. Where it prints what Go's
// tests print, its tests are counted.
type check struct {
	name  string
	shows string // what is known when it has passed
	dir   string // it starts in, from the repository's root
	run   string // of the shell; programs built here are in bin/kernels
	limit time.Duration
	quick bool // also in .ci/run
}

// boot is a way to start a virtual machine, and what is checked there.
type boot struct {
	name   string // empty: nothing is missing
	append string // to the kernel's command line
	memory int    // MiB
	checks []check
}

// wanted are the modules that a node has loaded, or loads when they are asked for. Kernels that
// lack some of them are said to in their logs.
const wanted = "br_netfilter nf_tables nft_ct nft_fib_inet nft_log nft_limit nft_reject_inet " +
	"nft_reject_bridge nft_meta_bridge nft_masq nft_nat nft_numgen nft_redir nf_conntrack " +
	"nf_conntrack_netlink nf_conntrack_bridge nfnetlink_log nf_flow_table nft_flow_offload " +
	"nf_flow_table_inet ip_vs ip_vs_rr sctp veth bridge dummy vxlan geneve ipip sit ip_gre " +
	"ip6_gre ip6_tunnel fou fou6 macvlan ipvlan wireguard tun sch_netem act_mirred"

// sandboxTests is a check by tests of cmd/sandbox.
func sandboxTests(name, shows, pattern string, minutes int) check {
	return check{name: name, shows: shows, dir: "cmd/sandbox", limit: time.Duration(minutes) * time.Minute,
		run: fmt.Sprintf("$BIN/sandbox.test -test.v -test.timeout 0 -test.run '%s'", pattern)}
}

// rows is a check by rows of the reliability suite.
func rows(name, shows, list string, minutes int) check {
	return check{name: name, shows: shows, dir: "e2e", limit: time.Duration(minutes) * time.Minute,
		run: "$BIN/reliability -short -scratch $BIN/scratch -source .. -picket ../bin/picket -rows " + list}
}

// surroundings is a check by tests of the same name in e2e/kernels/surroundings.
func surroundings(name, shows, test string) check {
	return check{name: name, shows: shows, dir: "e2e/kernels/surroundings", limit: 5 * time.Minute,
		run: "$BIN/surroundings.test -test.v -test.run '^" + test + "$'"}
}

// boots are all checks, by how the machine is started.
func boots() []boot {
	return []boot{
		{memory: 3072, checks: []check{
			{name: "demo", shows: "`make demo`", dir: ".", limit: 5 * time.Minute, quick: true,
				run: "bin/picket sandbox run -f deploy/demo"},
			{name: "nft", shows: "tests of the nftables backend on the kernel", dir: "nft",
				limit: 30 * time.Minute, quick: true,
				run: "$BIN/nft.test -test.v -test.timeout 0 $NFT_FLAGS"},
			{name: "host", shows: "tests of how pods are found on a node", dir: "controller/host",
				limit: 10 * time.Minute, run: "$BIN/host.test -test.v -test.timeout 0"},
			{name: "conntrack", shows: "tests of open connections", dir: "controller/conntrack",
				limit: 10 * time.Minute, run: "$BIN/conntrack.test -test.v -test.timeout 0"},
		}},
	}
}
