package iptables

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// simulator is a kernel that understands the texts of iptables-restore and ipset, and decides
// packets by them. It shares no code with what writes these texts. It refuses what the kernel
// refuses: names that are too long, references to what is absent, deleting what is in use.
type simulator struct {
	rules map[ruleset.Family]map[string]map[string][]simRule // by table and chain
	sets  map[string]*simSet
}

type simSet struct {
	kind, family string
	elements     map[string]bool
}

type simRule []string

func newSimulator() *simulator {
	s := &simulator{map[ruleset.Family]map[string]map[string][]simRule{}, map[string]*simSet{}}
	for _, f := range ruleset.Families {
		s.rules[f] = map[string]map[string][]simRule{
			"mangle": {"PREROUTING": nil, "INPUT": nil, "FORWARD": nil, "OUTPUT": nil,
				"POSTROUTING": nil},
			"filter": {"INPUT": nil, "FORWARD": nil, "OUTPUT": nil}}
	}
	return s
}

// ipset carries one line out, as ipset -exist does.
func (s *simulator) ipset(line string) error {
	words := strings.Fields(line)
	name := words[1]
	set := s.sets[name]
	if words[0] != "create" && words[0] != "destroy" && set == nil {
		return fmt.Errorf("%s: no such set", line)
	}
	switch words[0] {
	case "create":
		family := words[slices.Index(words, "family")+1]
		switch {
		case len(name) > 31:
			return fmt.Errorf("%s: %d bytes", name, len(name))
		case set != nil && (set.kind != words[2] || set.family != family):
			return fmt.Errorf("%s: is there as %s %s", line, set.kind, set.family)
		case set == nil:
			s.sets[name] = &simSet{words[2], family, map[string]bool{}}
		}
	case "add":
		if err := set.check(words[2]); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		set.elements[words[2]] = true
	case "del":
		delete(set.elements, words[2])
	case "flush":
		clear(set.elements)
	case "destroy":
		for _, f := range ruleset.Families {
			if s.refers(f, name) {
				return fmt.Errorf("%s: in use", line)
			}
		}
		delete(s.sets, name)
	default:
		return fmt.Errorf("%s: unknown", line)
	}
	return nil
}

// check refuses elements that the kernel has no room for.
func (set *simSet) check(text string) error {
	first, _, _ := strings.Cut(text, ",")
	addr, _, _ := strings.Cut(first, "/")
	a, err := netip.ParseAddr(addr)
	switch {
	case err != nil:
		return err
	case a.Is4() != (set.family == "inet"):
		return fmt.Errorf("not of %s", set.family)
	case !strings.Contains(set.kind, "net") && a.IsUnspecified():
		return fmt.Errorf("null-valued")
	case set.kind == "hash:net" && strings.HasSuffix(first, "/0"):
		return fmt.Errorf("no bits")
	default:
		return nil
	}
}

// refers reports whether any rule of a family looks a set up.
func (s *simulator) refers(f ruleset.Family, set string) bool {
	for _, t := range s.rules[f] {
		for _, rules := range t {
			for _, r := range rules {
				if at := slices.Index(r, "--match-set"); at >= 0 && r[at+1] == set {
					return true
				}
			}
		}
	}
	return false
}

// restore carries a text out as iptables-restore --noflush does: all of a table, or nothing.
func (s *simulator) restore(f ruleset.Family, text string) error {
	var name string
	var next map[string][]simRule
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		words := tokens(line)
		switch {
		case line == "COMMIT":
			if err := s.valid(f, next); err != nil {
				return err
			}
			s.rules[f][name] = next
		case line[0] == '*':
			name, next = line[1:], map[string][]simRule{}
			for chain, rules := range s.rules[f][name] {
				next[chain] = slices.Clone(rules)
			}
		case line[0] == ':':
			next[words[0][1:]] = nil
		default:
			if err := edit(next, words); err != nil {
				return fmt.Errorf("%s: %w", line, err)
			}
		}
	}
	return nil
}

// edit carries out a line about one chain.
func edit(t map[string][]simRule, words []string) error {
	chain := words[1]
	rules, there := t[chain]
	switch {
	case !there:
		return fmt.Errorf("no chain")
	case len(chain) > 28:
		return fmt.Errorf("%d bytes", len(chain))
	}
	switch words[0] {
	case "-A":
		t[chain] = append(rules, words[2:])
	case "-I":
		place, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		t[chain] = slices.Insert(rules, place-1, simRule(words[3:]))
	case "-D":
		at := slices.IndexFunc(rules, func(r simRule) bool { return slices.Equal(r, words[2:]) })
		if at < 0 {
			return fmt.Errorf("no such rule")
		}
		t[chain] = slices.Delete(rules, at, at+1)
	case "-X":
		if len(rules) > 0 {
			return fmt.Errorf("not empty")
		}
		delete(t, chain)
	default:
		return fmt.Errorf("unknown")
	}
	return nil
}

// valid refuses targets and sets that are not there.
func (s *simulator) valid(f ruleset.Family, t map[string][]simRule) error {
	for chain, rules := range t {
		for _, r := range rules {
			for i, word := range r {
				switch {
				case word == "--match-set" && s.sets[r[i+1]] == nil:
					return fmt.Errorf("%s: no set %s", chain, r[i+1])
				case word == "--comment" && len(r[i+1]) > 255:
					return fmt.Errorf("%s: a comment of %d bytes", chain, len(r[i+1]))
				case word == "-g" || word == "-j":
					_, there := t[r[i+1]]
					if !there && strings.ToUpper(r[i+1]) != r[i+1] {
						return fmt.Errorf("%s: no chain %s", chain, r[i+1])
					}
				}
			}
		}
	}
	return nil
}

// tokens splits a line as a shell does; quotes hold blanks.
func tokens(line string) []string {
	var words []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// packet is the first of a connection, in the forward hook.
type packet struct {
	ruleset.Flow
	in     string
	marked bool
}

// allows decides about a packet by mangle and filter, as the kernel does in forward and postrouting.
func (s *simulator) allows(p packet) bool {
	f := ruleset.FamilyOf(p.From)
	for _, at := range [][2]string{{"mangle", "PREROUTING"}, {"mangle", "FORWARD"},
		{"filter", "FORWARD"}, {"mangle", "POSTROUTING"}} {
		if !s.walk(f, at[0], at[1], &p) {
			return false
		}
	}
	return true
}

// place is a rule of a chain.
type place struct {
	chain string
	next  int
}

// walk takes a packet through a chain of the kernel; false: it is dropped.
func (s *simulator) walk(f ruleset.Family, table, base string, p *packet) bool {
	at, stack := place{base, 0}, []place{}
	for steps := 0; ; steps++ {
		if steps > 100000 {
			panic("a packet walks in circles")
		}
		rules := s.rules[f][table][at.chain]
		if at.next >= len(rules) {
			if len(stack) == 0 {
				return true
			}
			at, stack = stack[len(stack)-1], stack[:len(stack)-1]
			continue
		}
		r := rules[at.next]
		at.next++
		if !s.matches(r, p) {
			continue
		}
		option, target := r.target()
		switch {
		case target == "" || target == "NFLOG":
		case target == "MARK":
			p.marked = r[slices.Index(r, "--set-xmark")+1] != "0x0/0x200000"
		case target == "DROP" || target == "REJECT":
			return false
		case target == "ACCEPT":
			return true
		case target == "RETURN":
			at.next = len(rules)
		case option == "-j":
			stack = append(stack, at)
			at = place{target, 0}
		default: // goto: the chain that led here goes on behind it
			at = place{target, 0}
		}
	}
}

// target returns the option and the name of a rule's target; both are empty where it has none.
func (r simRule) target() (option, name string) {
	for i, word := range r {
		if (word == "-j" || word == "-g") && i+1 < len(r) {
			return word, r[i+1]
		}
	}
	return "", ""
}

// matches goes through the options of a rule up to its target.
func (s *simulator) matches(r simRule, p *packet) bool {
	not := false
	for i := 0; i < len(r); i++ {
		word := r[i]
		if word == "!" {
			not = true
			continue
		}
		var is bool
		switch word {
		case "-j", "-g":
			return true
		case "-m": // the options follow
			i++
			if r[i] == "rpfilter" || r[i] == "limit" || r[i] == "comment" || r[i] == "set" ||
				r[i] == "conntrack" || r[i] == "addrtype" {
				// rpfilter: each packet comes by the way that its answer takes
				continue
			}
			continue
		case "--limit", "--limit-burst", "--comment":
			i++
			continue
		case "--match-set":
			is = s.looksUp(r[i+1], r[i+2], p)
			i++
		default:
			is = matchesOption(word, r[i+1], r, p)
		}
		i++
		if is == not {
			return false
		}
		not = false
	}
	return true
}

// matchesOption compares one property of a packet.
func matchesOption(option, value string, r simRule, p *packet) bool {
	switch option {
	case "-s":
		return hasAddress(value, p.From)
	case "-d":
		return hasAddress(value, p.To)
	case "-i":
		return p.in == value
	case "-p":
		return protocolWord(p) == value
	case "--dport", "--dports":
		return hasPort(value, p.Port)
	case "--icmp-type", "--icmpv6-type":
		return value == "8" || value == "128"
	case "--hl-eq":
		return value == "64"
	case "--ctstate":
		return slices.Contains(strings.Split(value, ","), "NEW")
	case "--ctdir":
		return value == "ORIGINAL"
	case "--tcp-flags": // a packet that opens a connection has SYN alone
		return r[slices.Index(r, "--tcp-flags")+2] == "SYN"
	case "SYN":
		return true
	case "--src-type", "--dst-type":
		return value == "UNICAST"
	case "--mark":
		return p.marked
	default:
		panic(fmt.Sprintf("unknown option %s in %v", option, r))
	}
}

// protocolWord is the packet's protocol; what has no ports is an echo request.
func protocolWord(p *packet) string {
	switch {
	case p.Proto != ruleset.AnyProtocol:
		return p.Proto.String()
	case p.From.Is4():
		return "icmp"
	default:
		return "ipv6-icmp"
	}
}

// hasAddress compares an address under a mask of any form.
func hasAddress(text string, a netip.Addr) bool {
	first, mask, masked := strings.Cut(text, "/")
	want := netip.MustParseAddr(first).AsSlice()
	have := a.AsSlice()
	if len(want) != len(have) {
		return false
	}
	bits := make([]byte, len(want))
	if length, err := strconv.Atoi(mask); masked && err == nil {
		for i := range length {
			bits[i/8] |= 0x80 >> (i % 8)
		}
	} else if masked {
		bits = netip.MustParseAddr(mask).AsSlice()
	}
	for i := range bits {
		if have[i]&bits[i] != want[i]&bits[i] {
			return false
		}
	}
	return true
}

// hasPort looks a port up in a list of ports and ranges.
func hasPort(list string, port uint16) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(text string) bool {
		first, last, is := strings.Cut(text, ":")
		if !is {
			last = first
		}
		from, _ := strconv.Atoi(first)
		to, _ := strconv.Atoi(last)
		return from <= int(port) && int(port) <= to
	})
}

// looksUp looks a packet up in a set by some of its properties.
func (s *simulator) looksUp(name, properties string, p *packet) bool {
	set, words := s.sets[name], strings.Split(properties, ",")
	a := map[string]netip.Addr{"src": p.From, "dst": p.To}[words[0]]
	switch set.kind {
	case "hash:ip":
		return set.elements[a.String()]
	case "hash:ip,port":
		return set.elements[fmt.Sprintf("%s,%s:%d", a, protocolWord(p), p.Port)]
	case "hash:net,iface":
		return set.elements[a.String()+","+p.in]
	case "hash:net":
		for e := range set.elements {
			if hasAddress(e, a) && (strings.Contains(e, "/") || e == a.String()) {
				return true
			}
		}
		return false
	default:
		panic("unknown kind " + set.kind)
	}
}
