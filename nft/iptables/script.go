package iptables

import (
	"fmt"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Script prints a program as the texts that a kernel without anything of ours is given, each behind
// the program that reads it.
func Script(p *ruleset.Program) string {
	c := newContent()
	if _, err := c.apply(ruleset.Diff(ruleset.Observed{}, p)); err != nil {
		return fmt.Sprintf("# %v\n", err)
	}
	w, copies, err := want(c)
	if err != nil {
		return fmt.Sprintf("# %v\n", err)
	}
	var b strings.Builder
	for _, s := range plan(newKernel(), w, copies, nil) {
		b.WriteString(s.String())
	}
	return b.String()
}

// String prints the texts of a step.
func (s Step) String() string {
	var b strings.Builder
	if len(s.Sets) > 0 {
		fmt.Fprintf(&b, "# %s: ipset -exist restore\n%s\n", s.Name, strings.Join(s.Sets, "\n"))
	}
	for _, f := range ruleset.Families {
		if text := s.Rules[f]; text != "" {
			fmt.Fprintf(&b, "# %s: %s-restore --noflush\n%s", s.Name, families[f].program, text)
		}
	}
	for _, name := range s.Destroy {
		fmt.Fprintf(&b, "# %s: ipset destroy %s\n", s.Name, name)
	}
	return b.String()
}
