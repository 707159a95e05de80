package ruleset

import "fmt"

// Feature is something that not every kernel can do for the rules.
type Feature struct {
	Name  string // in metrics, too: table_owner
	Since string // the version of Linux that has it first, as it is published: 6.9
	Here  bool   // this kernel can
	// Otherwise says what is done where it can't.
	Otherwise string
}

// Lack says what is missing, and what that means.
func (f Feature) Lack() string {
	return fmt.Sprintf("%s (Linux %s): %s", f.Name, f.Since, f.Otherwise)
}
