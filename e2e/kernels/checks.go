package main

import (
	"fmt"
	"slices"
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
	// skipped are tests that are left out there: a regular expression.
	skipped string
}

// command is what is run: with -quick without some of the tests.
func (c check) command(quick bool) string {
	if quick && c.skipped != "" {
		return c.run + " -test.skip '" + c.skipped + "'"
	}
	return c.run
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

// queueMore has the kernel keep packets for a while for programs that wait for the processor, so
// that what is missing was not lost there.
const queueMore = "echo 67108864 >/proc/sys/net/core/rmem_max && " +
	"echo 100000 >/proc/sys/net/core/netdev_max_backlog && "

// rows is a check by rows of the reliability suite.
func rows(name, shows, list string, minutes int) check {
	return check{name: name, shows: shows, dir: "e2e", limit: time.Duration(minutes) * time.Minute,
		run: queueMore + "$BIN/reliability -short -slower 0 -fewer 5 -scratch $BIN/_scratch -source .. " +
			"-picket ../bin/picket -rows " + list}
}

// surroundings is a check by tests of the same name in e2e/kernels/surroundings.
func surroundings(name, shows, test string) check {
	return check{name: name, shows: shows, dir: "e2e/kernels/surroundings", limit: 10 * time.Minute,
		run: "$BIN/surroundings.test -test.v -test.run '^" + test + "$'"}
}

// and is the check with another command, of which the tests count, too.
func (c check) and(command string) check {
	c.run += " && " + command
	return c
}

// boots are all checks, by how the machine is started. None is without hooks for bridges: they are
// no module, but a part of nf_tables (CONFIG_NF_TABLES_BRIDGE) that all of these kernels have. That
// they are missing is pretended, by the check "lesser kernels".
func boots() []boot {
	return []boot{
		{memory: 3072, checks: slices.Concat(basics(), packets(), onBridges(), faults())},
		{name: "small", memory: 512, checks: []check{
			surroundings("small machine", "enforces with 512 MiB", "TestSmallMachine")}},
		{name: "no IPv6", memory: 2048, append: "ipv6.disable=1", checks: []check{
			surroundings("no IPv6", "enforces IPv4 where `ipv6.disable=1`", "TestWithoutIPv6").and(
				"cd ../../../controller/host && $BIN/host.test -test.v -test.run TestPortsFinds")}},
		{name: "no br_netfilter", memory: 2048, append: "module_blacklist=br_netfilter",
			checks: []check{surroundings("no br_netfilter", "not ready, names the module",
				"Test(Sandbox)?WithoutBridgeFilter")}},
		{name: "no nf_tables", memory: 2048, append: "module_blacklist=nf_tables",
			checks: []check{surroundings("no nf_tables", "named, and enforced by iptables and ipset",
				"Test(IPTables)?WithoutNfTables")}},
	}
}

// basics are about the parts of the product that speak with the kernel.
func basics() []check {
	return []check{
		{name: "demo", shows: "`make demo`", dir: ".", limit: 5 * time.Minute, quick: true,
			// The sandbox has to load br_netfilter itself.
			run: "modprobe -r br_netfilter && bin/picket sandbox run -f deploy/demo"},
		{name: "demo, as anybody", shows: "the same without root", dir: ".", limit: 5 * time.Minute,
			run: "setpriv --reuid=65534 --regid=65534 --clear-groups " +
				"bin/picket sandbox run -f deploy/demo"},
		{name: "nft", shows: "the tables are made, read and repaired", dir: "nft",
			limit: 40 * time.Minute, quick: true, skipped: "ObserveSees|ForeignTables|OneMember|" +
				"GroundworkOfADelta|Deadline|LargeSets|ManyMembers|ManyRanges|IsRepaired|Refused|" +
				"ForeignChange|TestSegment$|NoPacketPasses|WatchReports|DeltaLeads",
			run: "$BIN/nft.test -test.v -test.short -test.timeout 0"},
		{name: "nft of this release", shows: "its nft program loads what `render` prints", dir: ".",
			limit: 5 * time.Minute, quick: true, run: "e2e/kernels/render.sh"},
		{name: "host", shows: "pods, bridges and tunnels of a node are found",
			dir: "controller/host", limit: 20 * time.Minute,
			run: "$BIN/host.test -test.v -test.timeout 0"},
		{name: "conntrack", shows: "open connections are listed", dir: "controller/conntrack",
			limit: 20 * time.Minute, run: "$BIN/conntrack.test -test.v -test.timeout 0"},
		sandboxTests("sandbox", "namespaces and probes work", "TestEvery|TestSingle|TestRejects|"+
			"TestServe|TestSCTP|TestCrowd|TestMoreProbes|TestForgetNeighbours|TestEnter", 20),
	}
}

// packets are about which packets arrive.
func packets() []check {
	scenes := sandboxTests("scenes", "who reaches whom, by packets, SCTP too",
		"TestScenes|TestOwnNode|TestItself|TestNeighbours|TestRejectOn", 60)
	scenes.quick = true
	scenes.skipped = "TestScenesOnRealPackets/clusters/./^(wrong-|audit|changes|claims|named|selectors|" +
		"shared|sctp-suites|tunnels|unheard|past|blocks|host|peers|subjects)"
	worlds := sandboxTests("random worlds", "30 random worlds with edits agree with the oracle",
		"TestRandomWorlds", 60)
	worlds.run += " -packet-worlds 30"
	return []check{
		scenes, worlds,
		sandboxTests("SCTP", "the 14 cases of cyclonus and the 3 of Kubernetes' suite that are skipped where "+
			"SCTP has no sockets", "TestSCTP|TestScenesOnRealPackets/clusters/./^sctp-suites", 20),
		sandboxTests("services", "Services, their rejects", "TestServices|TestRejectThroughServices", 20),
		sandboxTests("IPVS", "connections through IPVS are decided by their pods", "IPVS", 20),
		sandboxTests("tunnels", "no way around by vxlan, geneve, ipip, gre, fou or wireguard",
			"Tunnel|Encapsulations|WireGuard", 40),
		sandboxTests("flowtables", "what others offload is cut and warned of", "Flowtables", 20),
		sandboxTests("bridges", "no way around by forged addresses, frames or link-local ones",
			"TestSegment|TestLinkLocal|TestForgedSource|TestThief|TestSourceIsItsOwn|TestOtherFrames|"+
				"TestGroups", 40),
		sandboxTests("macvlan and ipvlan", "what passes no hook is named, and not ready",
			"TestHiddenPod", 20),
		sandboxTests("lesser kernels", "where owner, deletion at once, source in forward or hooks for bridges are "+
			"taken for missing, packets pass by the same policies", "TestLesserKernels", 20),
		sandboxTests("output", "what the node sends on behalf of others", "TestOutput", 20),
	}
}

// loadEbtables loads the modules of legacy ebtables, which only checks of it have: where others
// find them, the backend iptables holds more.
const loadEbtables = "modprobe -a ebtables ebtable_nat ebtable_filter ebt_arp ebt_ip ebt_ip6 ebt_vlan; "

// onBridges are about what legacy ebtables holds for the backend iptables.
func onBridges() []check {
	packets := sandboxTests("bridges, iptables", "no way around by MAC addresses, ARP, tags or other frames",
		"TestThief|TestOtherFrames|TestGroups|TestSegmentOnRealPackets/VLAN", 40)
	packets.run = loadEbtables + "PICKET_TEST_BACKEND=iptables " + packets.run
	return []check{packets, {name: "ebtables", shows: "rules are made, read and repaired, beside others'",
		dir: "nft/iptables", limit: 10 * time.Minute,
		run: loadEbtables + "$BIN/iptables.test -test.v -test.run 'TestBridges'"}}
}

// faults are about what happens while packets flow.
func faults() []check {
	return []check{
		sandboxTests("open connections", "what a change forbids is cut, the rest goes on",
			"OpenConnections|TestMoreFlows|TestWhatIsCut|TestCutBy|TestRepliesAreNotCut", 60),
		sandboxTests("either end", "connections whose beginner is not known",
			"TestEitherEnd|TestNeitherEnd|TestAnHeir", 60),
		sandboxTests("tampering", "flushed, deleted or changed: refused or repaired",
			"TestTamperingIsRepaired|TestFailedTransaction|TestLastGood", 30),
		sandboxTests("restart", "ended, started again, adopts: no packet notices", "TestRestart", 20),
		rows("restart under traffic", "kill -9 and start: LEAK = BREAK = 0", "restart", 30),
		rows("upgrade under traffic", "another version of the table, and back: LEAK = BREAK = 0",
			"upgrade", 30),
		rows("tampering under traffic", "what others do to an owned table is refused, to a watched one repaired",
			"tamper-owned,tamper-free", 30),
	}
}
