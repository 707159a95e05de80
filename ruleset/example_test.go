package ruleset_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/picket-project/picket/ruleset"
)

// database is the program of a node with one pod, shop/db, to which shop/api may connect.
func database() *ruleset.Program {
	api := ruleset.SetID{Kind: ruleset.Addresses, Family: ruleset.IPv4, Key: "api"}
	chain := ruleset.Chain{
		ID: ruleset.NewChainID(ruleset.Ingress, "shop", "db"), Direction: ruleset.Ingress,
		Subject: "shop/db", Policies: []string{"shop/db-from-api", "shop/default-deny"},
		Steps: ruleset.Steps{ruleset.Rule{
			Peer: ruleset.InSet(api), Proto: ruleset.TCP,
			Ports:   []ruleset.PortRange{{First: 5432, Last: 5432}},
			Origins: []ruleset.Origin{{Policy: "shop/db-from-api", Direction: ruleset.Ingress}},
		}},
	}
	p := &ruleset.Program{
		Sets: []ruleset.Set{{
			ID: api, Comment: "pods app=api in namespace shop",
			Members: []ruleset.Member{{Addr: netip.MustParseAddr("10.0.0.7")}},
		}},
		Chains:   []ruleset.Chain{chain},
		Dispatch: []ruleset.Dispatch{{Addr: netip.MustParseAddr("10.0.0.5"), Chain: chain.ID}},
	}
	p.Sort()
	return p
}

// A program prints in one canonical text.
func ExampleProgram() {
	fmt.Print(database())
	// Output:
	// set pods4-api  # pods app=api in namespace shop
	//   10.0.0.7
	// chain ingress/shop/db
	//   allow from @pods4-api tcp 5432                      # shop/db-from-api ingress[0]
	//   drop  # isolated by shop/db-from-api, shop/default-deny
	// dispatch ingress 10.0.0.5 -> ingress/shop/db
}

// Decide gives the answer of the kernel for the first packet of a connection, and the reason.
func ExampleProgram_Decide() {
	for _, from := range []string{"10.0.0.7", "10.0.0.8"} {
		verdict, trace := database().Decide(ruleset.Flow{
			From: netip.MustParseAddr(from), To: netip.MustParseAddr("10.0.0.5"),
			Proto: ruleset.TCP, Port: 5432,
		})
		fmt.Println(from, verdict)
		for _, decision := range trace {
			fmt.Println(" ", decision)
		}
	}
	// Output:
	// 10.0.0.7 allow
	//   egress allow: not isolated
	//   ingress allow: shop/db-from-api ingress[0]
	// 10.0.0.8 deny
	//   egress allow: not isolated
	//   ingress deny: no rule in ingress/shop/db
}

// Diff compares what a kernel holds with what it should hold.
func ExampleDiff() {
	var kernel ruleset.Memory
	empty, _ := kernel.Observe(context.Background())
	if err := kernel.Apply(context.Background(), ruleset.Diff(empty, database())); err != nil {
		fmt.Println(err)
	}
	want := database()
	another := ruleset.Member{Addr: netip.MustParseAddr("10.0.0.9")}
	want.Sets[0].Members = append(want.Sets[0].Members, another)
	have, _ := kernel.Observe(context.Background())
	delta := ruleset.Diff(have, want)
	fmt.Print(delta.String())
	// Output:
	// + pods4-api 10.0.0.9
}

// A reason names the rules of each policy together, and as many policies as there is room for.
func ExampleReason() {
	reason := ruleset.ReasonOf([]ruleset.Origin{
		{Policy: "shop/dns", Rule: 0}, {Policy: "shop/web", Rule: 0}, {Policy: "shop/web", Rule: 1},
		{Policy: "shop/web", Rule: 2},
	})
	fmt.Println(reason)
	fmt.Println(reason.Abbreviated(40))
	// Output:
	// shop/dns ingress[0], shop/web ingress[0-2]
	// shop/dns ingress[0], and 3 others
}
