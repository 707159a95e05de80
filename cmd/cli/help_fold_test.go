package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/terminal"
)

// The help of every verb fits a terminal of 80 columns, and has all its words still.
func TestHelpFits(t *testing.T) {
	root := Commands()
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		folded := foldedHelp(out.String(), 80)
		for line := range strings.Lines(folded) {
			if line = strings.TrimRight(line, "\n"); terminal.Columns(line) > 80 {
				t.Errorf("%s: %d columns: %s", cmd.CommandPath(), terminal.Columns(line), line)
			}
		}
		if before, after := strings.Fields(out.String()), strings.Fields(folded); strings.Join(before, " ") !=
			strings.Join(after, " ") {
			t.Errorf("%s: other words than before:\n%s", cmd.CommandPath(), folded)
		}
		for line := range strings.Lines(out.String()) {
			if line[0] == ' ' && terminal.Columns(line) <= 80 && !strings.Contains("\n"+folded, "\n"+line) {
				t.Errorf("%s: not on a line of its own any more: %s", cmd.CommandPath(), line)
			}
		}
		for _, below := range cmd.Commands() {
			look(below)
		}
	}
	look(root)
}
