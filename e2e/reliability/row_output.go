package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// output has processes of the nodes send with addresses that are not the nodes' (IP_TRANSPARENT),
// as IPVS and proxies do. What they send leaves by the output hook and is filtered like what is
// forwarded, also while the agents are killed and policies change.
type output struct{}

func (output) Name() string { return "output" }

func (output) Plan() plan { return plan{} }

// outputFlows are sent by processes of the nodes, with the addresses of pods and of a stranger.
func outputFlows() []flow {
	return []flow{
		{"far@n2", "web", four, "udp-new", true}, {"far@n2", "web", six, "tcp", true},
		{"near@n1", "web", six, "udp-new", true},
		{"stranger@n1", "free", four, "udp-new", true}, {"stranger@n1", "free", six, "tcp", true},
		{"caged@n2", "free", four, "udp-new", false}, {"caged@n2", "free", six, "udp-new", false},
		{"caged@n2", "free", four, "tcp", false}, {"caged@n2", "free", six, "tcp", false},
		{"stranger@n1", "web", four, "udp-new", false},
		{"stranger@n1", "web", six, "udp-new", false},
		{"stranger@n1", "web", four, "tcp", false}, {"stranger@n1", "web", six, "tcp", false},
		{"rogue@n1", "web", four, "udp-new", false}, {"rogue@n1", "web", six, "tcp", false},
		{"alien@n1", "web", six, "udp-new", false},
	}
}

// CheckUnfiltered shows that what is forbidden arrives while nobody filters.
func (output) CheckUnfiltered(s *testbed) error {
	for n := 1; n <= 2; n++ {
		if err := s.InNode(nodeName(n), func() error { return takeReplies(n) }); err != nil {
			return err
		}
	}
	return s.selfCheck("openout", outputFlows())
}

func (output) Inject(s *testbed) error {
	t, err := s.startTraffic("out", outputFlows())
	if err != nil {
		return err
	}
	stop := s.churn.keepChanging(10 * time.Millisecond)
	if err := errors.Join(s.killOften(s.times(50, 5)), stop(), t.stop()); err != nil {
		return err
	}
	sum := t.tally()
	s.ownLoss = loss{sum.leak, sum.broken}
	if sum.resets > 0 {
		s.fault("%d permitted connections of processes of the nodes were reset", sum.resets)
	}
	s.note("what processes of the nodes sent: LEAK %d, BREAK %d, floor %v", sum.leak, sum.broken,
		millis(sum.floor))
	return nil
}

// portsOf are the ports that processes of a node send from. Nobody else uses them: a node takes
// what comes back to them, and passes on what comes back to the other's.
func portsOf(node int) (first, last uint16) {
	first = uint16(10_000 * node)
	return first, first + 9_999
}

// takeReplies hands the node's processes what comes back to these ports, whoever's address it is
// for.
func takeReplies(node int) error {
	first, last := portsOf(node)
	ports := fmt.Appendf(nil, "%d %d", first, last)
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", ports, 0o644); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for family, everybody := range map[int]string{unix.AF_INET: "0.0.0.0/0",
		unix.AF_INET6: "::/0"} {
		_, to, _ := net.ParseCIDR(everybody)
		err = errors.Join(err, netlink.RouteAdd(&netlink.Route{
			LinkIndex: lo.Attrs().Index, Dst: to, Table: 100, Type: unix.RTN_LOCAL,
			Scope: unix.RT_SCOPE_HOST,
		}))
		for _, arrival := range []string{"eth0", "cni0"} {
			rule := netlink.NewRule()
			rule.Family, rule.IifName, rule.Table, rule.Priority = family, arrival, 100, 100
			rule.Dport = netlink.NewRulePortRange(first, last)
			err = errors.Join(err, netlink.RuleAdd(rule))
		}
	}
	return err
}
