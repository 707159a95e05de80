package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/cli/terminal/terminaltest"
	"github.com/picket-project/picket/cmd/inspect"
)

// What the README shows fits a terminal of 80 columns, and says the same as elsewhere.
func TestVerbsOnATerminal(t *testing.T) {
	for _, args := range []string{
		"matrix --grid -f ../../deploy/demo --port 8080",
		"matrix --grid -f ../../deploy/demo --strict",
		"render -f ../../deploy/demo --node-name node-2 -o program",
	} {
		screen, shown := terminaltest.Screen(t, 80)
		var elsewhere strings.Builder
		Main(strings.Fields(args), nil, io.Discard, screen)
		text := shown()
		Main(strings.Fields(args), nil, io.Discard, &elsewhere)
		terminaltest.Fits(t, text, 80)
		same := strings.Join(strings.Fields(text), " ") ==
			strings.Join(strings.Fields(elsewhere.String()), " ")
		if !same || !strings.HasPrefix(text, "warning: ") {
			t.Errorf("%s:\n%s\nelsewhere\n%s", args, text, elsewhere.String())
		}
	}
	screen, shown := terminaltest.Screen(t, 80)
	Main([]string{"matrix", "--grid", "-f", "../../deploy/demo"}, nil, screen, io.Discard)
	terminaltest.Fits(t, shown(), 80)
}

// What somebody else says moves no cursor: neither in an answer, nor in an error or a warning.
func TestNothingElseRulesTheTerminal(t *testing.T) {
	const hostile = "\x1b[2J\x1b[32mALLOWED\r\u009b1A"
	o := answerOptions{output: "table"}
	screen, shown := terminaltest.Screen(t, 80)
	must(t, o.print(screen, "Kernel", nil, func(p *page) {
		p.line("", "%s %s", p.Paint(terminal.Bad, "DENIED"), hostile)
		p.table(terminal.Table{Rows: [][]string{{hostile, "x"}}})
	}))
	tellError(screen, errors.New(hostile))
	input.Tell(screen, "note", hostile)
	Main([]string{"why", "--kubeconfig", hostile, "a", "b"}, nil, io.Discard, screen)
	text := shown()
	if strings.Count(text, "ALLOWED") != 5 || !strings.Contains(text, "\x1b[31mDENIED\x1b[0m \\x1b[2J") {
		t.Errorf("%q", text)
	}
	// An answer has colours, which can be another's too: they change no more than the colour.
	text = strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[0m", "").Replace(text)
	if strings.ContainsAny(text, "\x1b\r\u009b") {
		t.Errorf("%q", text)
	}
}

// A matrix that is too wide becomes several below each other, of the same rows.
func TestMatrixOnATerminal(t *testing.T) {
	var m inspect.Matrix
	for i := range 30 {
		m.Pods = append(m.Pods, fmt.Sprintf("namespace/pod-%d", i+1))
		m.Allowed = append(m.Allowed, make([]bool, 30))
	}
	screen, shown := terminaltest.Screen(t, 60)
	must(t, printMatrix(screen, m))
	text := shown()
	terminaltest.Fits(t, text, 60)
	tables := strings.Count(text, `from \ to`)
	if tables != 4 || strings.Count(text, "namespace/pod-7 ") != 4 {
		t.Errorf("%d tables:\n%s", tables, text)
	}
}
