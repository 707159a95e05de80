package main

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// addressProgram is a program that holds the addresses of pods in the kernel, as an agent without a
// netlink library uses it: a process for each change, whose time is that from its start to its end.
type addressProgram struct {
	load, change []string // the program with its arguments
	all          func([]netip.Addr) string
	one          func(add bool, a netip.Addr) string
}

// namedProgram is an addressProgram as tables call it.
type namedProgram struct {
	name string
	addressProgram
}

// addressPrograms are the programs that Picket is compared with, in the order of tables and turns.
func addressPrograms(emptyTable string) []namedProgram {
	return []namedProgram{
		{"`nft -f`", nftProgram(emptyTable)},
		{"`ipset restore`", ipsetProgram()},
		{"`iptables-legacy-restore`", iptablesProgram("iptables-legacy-restore")},
		{"`iptables-nft-restore`", iptablesProgram("iptables-nft-restore")},
	}
}

// nftProgram holds the table of a node without policies, as Picket makes it, with a set of the
// addresses.
func nftProgram(emptyTable string) addressProgram {
	const begin = "\ntable inet picket {\n"
	return addressProgram{
		load:   []string{"nft", "-f", "-"},
		change: []string{"nft", "-f", "-"},
		all: func(addrs []netip.Addr) string {
			set := begin + "\tset bench {\n\t\ttype ipv4_addr\n"
			if len(addrs) > 0 {
				set += "\t\telements = { " + each("%s, ", addrs) + " }\n"
			}
			return strings.Replace(emptyTable, begin, set+"\t}\n", 1)
		},
		one: func(add bool, a netip.Addr) string {
			return fmt.Sprintf("%s element inet picket bench { %s }\n", verb(add, "add", "delete"),
				a)
		},
	}
}

// ipsetProgram fills a set beside the one in use and swaps the two, the only way to replace all at
// once.
func ipsetProgram() addressProgram {
	return addressProgram{
		load:   []string{"ipset", "restore"},
		change: []string{"ipset", "restore"},
		all: func(addrs []netip.Addr) string {
			const size = "hash:ip hashsize 131072 maxelem 1048576"
			return fmt.Sprintf(
				"create -exist pods %s\ncreate next %s\n%sswap pods next\ndestroy next\n",
				size, size, each("add next %s\n", addrs))
		},
		one: func(add bool, a netip.Addr) string {
			return fmt.Sprintf("%s pods %s\n", verb(add, "add", "del"), a)
		},
	}
}

// iptablesProgram has a rule for each address, as there is without sets.
func iptablesProgram(restore string) addressProgram {
	return addressProgram{
		load:   []string{restore},
		change: []string{restore, "--noflush"},
		all: func(addrs []netip.Addr) string {
			rules := each("-A pods -s %s/32 -j RETURN\n", addrs)
			return "*filter\n:pods - [0:0]\n" + rules + "COMMIT\n"
		},
		one: func(add bool, a netip.Addr) string {
			return fmt.Sprintf("*filter\n%s pods -s %s/32 -j RETURN\nCOMMIT\n",
				verb(add, "-A", "-D"), a)
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

// numbered returns addresses, sorted.
func numbered(n int) []netip.Addr {
	addrs := make([]netip.Addr, n)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	return addrs
}

// kernel is an addressProgram with a network namespace of its own.
type kernel struct {
	addressProgram
	ns sandbox.Netns
}

func newKernel(p addressProgram) (*kernel, error) {
	ns, err := sandbox.NewNetns()
	return &kernel{p, ns}, err
}

// fill takes from the kernel what it has, then gives it all addresses; its time is that of the
// giving.
func (k *kernel) fill(addrs []netip.Addr) (time.Duration, error) {
	if _, err := k.run(k.load, k.all(nil)); err != nil {
		return 0, err
	}
	return k.run(k.load, k.all(addrs))
}

// update adds or deletes one address.
func (k *kernel) update(add bool, a netip.Addr) (time.Duration, error) {
	return k.run(k.change, k.one(add, a))
}

func (k *kernel) close() { _ = k.ns.Close() } // the namespace ends with this process anyhow

func (k *kernel) run(args []string, text string) (took time.Duration, err error) {
	err = k.ns.Do(func() (err error) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(text)
		var out []byte
		took, err = timed(func() (err error) {
			out, err = cmd.CombinedOutput()
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	})
	return took, err
}
