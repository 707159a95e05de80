package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/picket-project/picket/nft"
)

// nftWords holds the very table that Picket does.
var nftWords = words{
	load:   []string{"nft", "-f", "-"},
	change: []string{"nft", "-f", "-"},
	all:    func(addrs []netip.Addr) string { return nft.Script(oneSet(addrs)) },
	one: func(add bool, a netip.Addr) string {
		return fmt.Sprintf("%s element inet picket %s { %s }\n", verb(add, "add", "delete"), oneSet(nil).Sets[0].ID, a)
	},
}

// ipsetWords fills a set beside the one in use and swaps the two, the only way to replace all at once.
var ipsetWords = words{
	load:   []string{"ipset", "restore"},
	change: []string{"ipset", "restore"},
	all: func(addrs []netip.Addr) string {
		const size = "hash:ip hashsize 131072 maxelem 1048576"
		return fmt.Sprintf("create -exist pods %s\ncreate next %s\n%sswap pods next\ndestroy next\n", size, size, each("add next %s\n", addrs))
	},
	one: func(add bool, a netip.Addr) string { return fmt.Sprintf("%s pods %s\n", verb(add, "add", "del"), a) },
}

// iptablesWords has a rule for each address, as there is without sets.
func iptablesWords(restore string) words {
	return words{
		load:   []string{restore},
		change: []string{restore, "--noflush"},
		all: func(addrs []netip.Addr) string {
			return "*filter\n:pods - [0:0]\n" + each("-A pods -s %s/32 -j RETURN\n", addrs) + "COMMIT\n"
		},
		one: func(add bool, a netip.Addr) string {
			return fmt.Sprintf("*filter\n%s pods -s %s/32 -j RETURN\nCOMMIT\n", verb(add, "-A", "-D"), a)
		},
	}
}

func verb(add bool, yes, no string) string {
	if add {
		return yes
	}
	return no
}

func each(format string, addrs []netip.Addr) string {
	var text strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&text, format, a)
	}
	return text.String()
}
