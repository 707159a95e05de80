package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const head = `# What others' tests say

All specs of Kubernetes' own NetworkPolicy suite and all generated cases of
[cyclonus](https://github.com/mattfenwick/cyclonus), on real clusters of three nodes with flannel.
The other versions are in [cluster/versions.env](cluster/versions.env) and
[cyclonus/go.mod](cyclonus/go.mod). Written by ` + "`make conformance`" + `; each row is the latest run
of its release of Kubernetes, variant and suite.

| date | commit | kernel | Kubernetes | variant | suite | passed | failed | skipped | flaky | time |
|---|---|---|---|---|---|---:|---:|---:|---:|---:|
`

// markdown prints all of it: a row each, then by name what did not just pass.
func (rs results) markdown() string {
	var text strings.Builder
	text.WriteString(head)
	for _, r := range rs {
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %d | %d | %d | %d | %s |\n", r.Date,
			r.Commit, r.Kernel, r.Kubernetes, r.Variant, r.Suite,
			r.Passed, r.Failed, r.Skipped, r.Flaky, time.Duration(r.Seconds)*time.Second)
	}
	for _, s := range []section{
		{"Failed", func(c Case) bool { return c.Outcome == Failed }},
		{"Flaky: passed on a second try", func(c Case) bool { return c.Flaky }},
		{"Skipped", func(c Case) bool { return c.Outcome == Skipped }},
	} {
		fmt.Fprintf(&text, "\n## %s\n\n%s", s.title, rs.section(s))
	}
	return text.String()
}

// section is a list of cases of one kind.
type section struct {
	title string
	holds func(Case) bool
}

// section prints the cases of one kind, those together that share suite, variants and reason.
func (rs results) section(s section) string {
	groups := rs.groups(s.holds)
	if len(groups) == 0 {
		return "None.\n"
	}
	var parts []string
	for _, g := range groups {
		parts = append(parts, g.String())
	}
	return strings.Join(parts, "\n")
}

// group is cases of one suite, to which the same happened for the same reason in the same variants.
type group struct {
	suite, why string
	variants   []string
	names      []string
}

// String prints a reason of one line as a heading, a longer one as it is.
func (g group) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s (%s)", g.suite, strings.Join(g.variants, "; "))
	if strings.Contains(g.why, "\n") {
		fmt.Fprintf(&text, ":\n\n```\n%s\n```\n", strings.ReplaceAll(g.why, "```", "'''"))
	} else {
		fmt.Fprintf(&text, ", %s:\n", g.why)
	}
	text.WriteString("\n")
	for _, name := range g.names {
		fmt.Fprintf(&text, "- %s\n", name)
	}
	return text.String()
}

// groups collects the cases of one kind. First the variants of every case are collected, then the
// cases that agree.
func (rs results) groups(holds func(Case) bool) []group {
	var cases, all []group
	for _, r := range rs {
		where := r.minor() + " " + r.Variant
		for _, c := range r.Notable {
			if holds(c) {
				one := group{suite: r.Suite, why: c.Why, names: []string{c.Name},
					variants: []string{where}}
				cases = merge(cases, one, sameCase, func(g *group) {
					g.variants = append(g.variants, where)
				})
			}
		}
	}
	for _, c := range cases {
		all = merge(all, c, sameFate, func(g *group) { g.names = append(g.names, c.names...) })
	}
	return all
}

// merge joins one with the group that is the same, or adds it.
func merge(groups []group, one group, same func(a, b group) bool, join func(*group)) []group {
	i := slices.IndexFunc(groups, func(g group) bool { return same(g, one) })
	if i < 0 {
		return append(groups, one)
	}
	join(&groups[i])
	return groups
}

func sameCase(a, b group) bool {
	return a.suite == b.suite && a.why == b.why && slices.Equal(a.names, b.names)
}

func sameFate(a, b group) bool {
	return a.suite == b.suite && a.why == b.why && slices.Equal(a.variants, b.variants)
}
