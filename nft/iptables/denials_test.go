package iptables

import (
	"maps"
	"strings"
	"testing"

	"github.com/picket-project/picket/nft/nflog"
	"github.com/picket-project/picket/ruleset"
)

// What denies is counted by the chain of the program, whatever parts that has in the kernel.
func TestReadDenials(t *testing.T) {
	web, db := partChain("ingress/shop/web", 0), partChain("ingress/shop/db", 0)
	text := strings.NewReplacer("WEB1", partChain("ingress/shop/web", 1), "WEB", web, "DB", db,
		"NEW", partChain("ingress/shop/new", 0)).Replace(`
*mangle
:WEB - [0:0]
[9:540] -A WEB -m comment --comment "ingress/shop/web"
[7:420] -A WEB -p tcp -m comment --comment "shop/api ingress[0]" -j RETURN
[3:180] -A WEB -m comment --comment "shop/deny ingress[0]" -j DROP
[2:120] -A WEB1 -m comment --comment "ingress/shop/web part 1"
[2:120] -A WEB1 -m limit --limit 10/sec -j NFLOG --nflog-group 86
[4:240] -A WEB1 -m comment --comment "isolated by api" -j DROP
[5:300] -A DB -m comment --comment "ingress/shop/db"
[5:300] -A DB -m comment --comment "isolated by api" -g picket-reject
[0:0] -A NEW -m comment --comment "ingress/shop/new"
[1:60] -A NEW -s 10.0.0.1/32 -m comment --comment "shop/try ingress[0]" -j RETURN
[2:120] -A NEW -m limit --limit 10/sec -j NFLOG --nflog-prefix "picket audit ingress/shop/new " --nflog-group 86
[6:360] -A NEW -m comment --comment "audited: try" -j RETURN
[8:480] -A FORWARD -j DROP
[8:480] -A picket-forward -j DROP
COMMIT
`)
	denied, audited := ruleset.SumDenials(readDenials(text, 0))
	if len(denied) != 3 || denied["ingress/shop/web"] != 7 || denied["ingress/shop/db"] != 5 ||
		!maps.Equal(audited, map[ruleset.ChainID]uint64{"ingress/shop/new": 6}) {
		t.Errorf("%v, %v", denied, audited)
	}
}

// A denial counts in whichever part of a pod's chain it is, whether it drops or rejects; those of others
// do not.
func TestReadDenialsOfParts(t *testing.T) {
	text := strings.NewReplacer("WEB1", partChain("egress/shop/web", 1), "WEB",
		partChain("egress/shop/web", 0), "IN", partChain("ingress/shop/web", 0)).Replace(`*mangle
:WEB - [0:0]
[5:300] -A WEB -m comment --comment "egress/shop/web"
[5:300] -A WEB -s 10.0.0.1/32 -j RETURN
[7:420] -A WEB -m comment --comment "isolated by p" -j DROP
[2:120] -A WEB1 -m comment --comment "egress/shop/web part 1"
[2:120] -A WEB1 -m comment --comment x -g ` + rejectChain + `
[0:0] -A IN -m comment --comment "ingress/shop/web"
[0:0] -A IN -j DROP
[9:9] -A others -j DROP
COMMIT
`)
	got, _ := ruleset.SumDenials(readDenials(text, 0))
	if want := map[ruleset.ChainID]uint64{"egress/shop/web": 9, "ingress/shop/web": 0}; !maps.Equal(
		got, want) {
		t.Errorf("%v", got)
	}
}

// The log names a chain by its ID or, where that is too long, by what tells it from all others.
func TestLogName(t *testing.T) {
	if name := LogName("egress/shop/web"); name != "egress/shop/web" {
		t.Error(name)
	}
	long := ruleset.NewChainID(ruleset.Egress, strings.Repeat("n", 60), strings.Repeat("p", 30))
	name, other := LogName(long), LogName(long+"q")
	if name == other || len(nflog.Prefix+name+" ") > maxPrefix || !strings.HasPrefix(name, "egress/nnn") {
		t.Errorf("%s and %s", name, other)
	}
}
