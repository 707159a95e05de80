package sandbox

import (
	"strings"
	"testing"

	"github.com/picket-project/picket/cmd/cli/terminal/terminaltest"
)

func TestSandboxReportOnATerminal(t *testing.T) {
	needKernel(t)
	screen, shown := terminaltest.Screen(t, 80)
	cmd := program("picket", "sandbox", "run", "-f", "../../../deploy/demo")
	cmd.Stdout, cmd.Stderr = screen, screen
	must(t, cmd.Run())
	text := shown()
	terminaltest.Fits(t, text, 80)
	if strings.Count(text, " to  ") != 2 || !strings.Contains(text, "\x1b[32m✓\x1b[0m arrives") {
		t.Error(text)
	}
}
