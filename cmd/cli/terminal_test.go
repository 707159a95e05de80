package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// screen is a terminal of so many columns; shown gives what was written to it.
func screen(t *testing.T, columns uint16) (terminal *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
	fd := int(master.Fd())
	must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	must(t, err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: 24}))
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(master) // ends with an error once nobody has the terminal open
		text <- strings.ReplaceAll(string(all), "\r\n", "\n")
	}()
	return terminal, func() string {
		must(t, terminal.Close())
		shown := <-text
		must(t, master.Close())
		return shown
	}
}

// fits demands that no line is wider than a terminal.
func fits(t *testing.T, text string, columns int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); width(line) > columns {
			t.Errorf("%d columns: %s", width(line), line)
		}
	}
}

// What the README shows fits a terminal of 80 columns, and says the same as elsewhere.
func TestVerbsOnATerminal(t *testing.T) {
	for _, args := range []string{"matrix -f ../../deploy/demo --port 8080", "matrix -f ../../deploy/demo --strict", "render -f ../../deploy/demo --node-name node-2 -o program"} {
		terminal, shown := screen(t, 80)
		var plain strings.Builder
		Main(strings.Fields(args), nil, io.Discard, terminal)
		text := shown()
		Main(strings.Fields(args), nil, io.Discard, &plain)
		fits(t, text, 80)
		if strings.Join(strings.Fields(text), " ") != strings.Join(strings.Fields(plain.String()), " ") || !strings.HasPrefix(text, "warning: ") {
			t.Errorf("%s:\n%s\nelsewhere\n%s", args, text, plain.String())
		}
	}
	terminal, shown := screen(t, 80)
	Main([]string{"matrix", "-f", "../../deploy/demo"}, nil, terminal, io.Discard)
	fits(t, shown(), 80)
}

func TestSandboxReportOnATerminal(t *testing.T) {
	needKernel(t)
	terminal, shown := screen(t, 80)
	cmd := program("picket", "sandbox", "run", "-f", "../../deploy/demo")
	cmd.Stdout, cmd.Stderr = terminal, terminal
	must(t, cmd.Run())
	text := shown()
	fits(t, text, 80)
	if strings.Count(text, " to  ") != 2 || !strings.Contains(text, "\x1b[32m✓\x1b[0m arrives") {
		t.Error(text)
	}
}

// A matrix that is too wide becomes several below each other, of the same rows.
func TestMatrixOnATerminal(t *testing.T) {
	var m Matrix
	for i := range 30 {
		m.Pods = append(m.Pods, fmt.Sprintf("namespace/pod-%d", i+1))
		m.Allowed = append(m.Allowed, make([]bool, 30))
	}
	terminal, shown := screen(t, 60)
	must(t, m.print(terminal))
	text := shown()
	fits(t, text, 60)
	if got := strings.Count(text, `from \ to`); got != 4 || strings.Count(text, "namespace/pod-7 ") != 4 {
		t.Errorf("%d parts:\n%s", got, text)
	}
}

func TestFold(t *testing.T) {
	for _, row := range []struct {
		line string
		to   int
		want string
	}{
		{"one two three", 0, "one two three"},
		{"one two three", 13, "one two three"},
		{"one two three", 12, "one two\n  three"},
		{"one two three", 3, "one\n  two\n  three"},
		{"with:   a b", 9, "with:   a\n  b"},
		{"\x1b[32mgreen\x1b[0m words", 11, "\x1b[32mgreen\x1b[0m words"},
		{"", 5, ""},
	} {
		if got := fold(row.line, row.to, "  "); got != row.want {
			t.Errorf("%q to %d: %q", row.line, row.to, got)
		}
	}
}
