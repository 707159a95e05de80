package nft

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Script prints the program as text for `nft -f`: it replaces the table in one transaction, and
// what `nft list table inet picket` shows afterwards is what it shows after Backend.Apply, on a
// kernel that can do what the features say.
func Script(p *ruleset.Program, kernel Features) string {
	return fmt.Sprintf("table inet %s\ndelete table inet %[1]s\n\n%s", tableName, Listing(p, kernel))
}

// Listing prints the program as `nft -s list table inet picket` does where it is in force, but for
// the order of some elements.
func Listing(p *ruleset.Program, kernel Features) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n", tableName)
	b.WriteString(setText("set", linkSet, setBody{holds: "ifname", elements: linkTexts(p.Links)}))
	for _, d := range ruleset.Directions {
		for _, f := range ruleset.Families {
			b.WriteString(mapText(p, d, f))
		}
	}
	for _, s := range ruleset.FixedSets() {
		b.WriteString(namedSetText(fixedSet(p, s)))
	}
	for _, s := range strictFirst(p) {
		if !s.ID.Fixed() {
			b.WriteString(namedSetText(s))
		}
	}
	b.WriteString(frameText(frame(kernel.formOf(p.Strict, countBehind(p.Sets)))))
	b.WriteString(chainsText(p.Chains) + "}\n")
	return b.String()
}

// ListingOfPart prints a part of a program: no base chains, and no sets but its own.
func ListingOfPart(p *ruleset.Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n", tableName)
	for _, d := range ruleset.Directions {
		for _, f := range ruleset.Families {
			// A map without elements says nothing of the part.
			if text := mapText(p, d, f); strings.Contains(text, "elements") {
				b.WriteString(text)
			}
		}
	}
	for _, s := range p.Sets {
		b.WriteString(namedSetText(s))
	}
	b.WriteString(chainsText(p.Chains) + "}\n")
	return b.String()
}

// chainsText prints chains of a program one after another.
func chainsText(chains []ruleset.Chain) string {
	var b strings.Builder
	encoding := currentEncoding()
	for _, c := range chains {
		b.WriteString(chainText(string(c.ID), "", encoding.rulesOf(c)))
	}
	return b.String()
}

// fixedSet returns the set of the program in place of an empty one.
func fixedSet(p *ruleset.Program, empty ruleset.Set) ruleset.Set {
	for _, s := range p.Sets {
		if s.ID == empty.ID {
			return s
		}
	}
	return empty
}

// strictFirst orders the sets as they are made: those that the frame of a strict program speaks
// of first.
func strictFirst(p *ruleset.Program) []ruleset.Set {
	strict := ruleset.StrictSets(nil, nil)
	rank := func(s ruleset.Set) int {
		if at := slices.IndexFunc(strict,
			func(o ruleset.Set) bool { return o.ID == s.ID }); at >= 0 {
			return at
		}
		return len(strict)
	}
	if !p.Strict {
		return p.Sets
	}
	return slices.SortedStableFunc(slices.Values(p.Sets),
		func(a, b ruleset.Set) int { return cmp.Compare(rank(a), rank(b)) })
}

// linkTexts quotes the names of interfaces.
func linkTexts(links []string) []string {
	texts := make([]string, len(links))
	for i, link := range links {
		texts[i] = fmt.Sprintf("%q", link)
	}
	return texts
}

// mapText prints the verdict map of one direction and family.
func mapText(p *ruleset.Program, d ruleset.Direction, f ruleset.Family) string {
	var elements []string
	for _, e := range p.Dispatch {
		if e.Direction == d && ruleset.FamilyOf(e.Addr) == f {
			elements = append(elements,
				fmt.Sprintf("%s comment %q : jump %s", e.Addr, e.Chain, e.Chain))
		}
	}
	return setText("map", mapName(d, f), setBody{
		holds: fields[f].keyType.Name + " : verdict", elements: elements,
	})
}

// namedSetText prints a set of the program, or a map where its members lead to chains.
func namedSetText(s ruleset.Set) string {
	elements := make([]string, len(s.Members))
	for i, m := range s.Members {
		elements[i] = memberText(m)
	}
	kind, holds := "set", setType(s.ID).Name
	if s.ID.Leads() {
		kind, holds = "map", holds+" : verdict"
	}
	return setText(kind, s.ID.String(), setBody{holds, flagsOf(s.ID), s.Comment, elements})
}

// flagsOf returns the flags of a set in the nft program's words; most sets have none.
func flagsOf(id ruleset.SetID) []string {
	if id.Kind == ruleset.Ranges || id.Kind == ruleset.PortRanges {
		return []string{"interval"}
	}
	return nil
}

// memberText prints a member as an element: its fields with dots between them and, in a map, its
// comment and the chain that it leads to.
func memberText(m ruleset.Member) string {
	switch {
	case m.Chain != "" && m.LastPort > 0:
		return fmt.Sprintf("%s comment %q : jump %s",
			ruleset.PortRange{First: m.Port, Last: m.LastPort}, reasonComment(m.Reason), m.Chain)
	case m.Chain != "":
		return fmt.Sprintf("%s . %d comment %q : jump %s", m.Proto, m.Port, reasonComment(m.Reason),
			m.Chain)
	case m.Link != "":
		return fmt.Sprintf("%q . %s", m.Link, m.Addr)
	case m.Proto != ruleset.AnyProtocol && !m.Addr.IsValid():
		return fmt.Sprintf("%s . %d", m.Proto, m.Port)
	case m.Proto != ruleset.AnyProtocol:
		return fmt.Sprintf("%s . %s . %d", m.Addr, m.Proto, m.Port)
	default:
		return m.String()
	}
}

// setBody is what stands between the braces of a set or map.
type setBody struct {
	holds    string // the types of its elements
	flags    []string
	comment  string
	elements []string
}

// setText prints a set or map.
func setText(kind, name string, s setBody) string {
	body := fmt.Sprintf("\t\ttype %s\n", s.holds)
	if len(s.flags) > 0 {
		body += fmt.Sprintf("\t\tflags %s\n", strings.Join(s.flags, ","))
	}
	if s.comment != "" {
		body += fmt.Sprintf("\t\tcomment %q\n", clip(s.comment))
	}
	if len(s.elements) > 0 {
		body += fmt.Sprintf("\t\telements = { %s }\n",
			strings.Join(s.elements, ",\n\t\t\t     "))
	}
	return fmt.Sprintf("\t%s %s {\n%s\t}\n", kind, name, body)
}
