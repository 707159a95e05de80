// Package terminaltest gives tests a terminal to print on.
package terminaltest

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/cli/terminal"
)

// Screen opens a terminal of so many columns. Shown closes it and returns what was printed on it.
func Screen(t *testing.T, columns uint16) (screen *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
	screen, err = slave(int(master.Fd()), columns)
	if err != nil {
		t.Fatal(err)
	}
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(master) // ends with an error once nobody has the terminal open
		text <- strings.ReplaceAll(string(all), "\r\n", "\n")
	}()
	return screen, func() string {
		_ = screen.Close()
		defer master.Close()
		return <-text
	}
}

// slave opens the other end of a pseudo-terminal (ptmx(4)).
func slave(master int, columns uint16) (*os.File, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	number, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	size := &unix.Winsize{Col: columns, Row: 24}
	return screen, unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, size)
}

// Fits demands that no line is wider than a terminal, nor what was written over it.
func Fits(t *testing.T, text string, columns int) {
	t.Helper()
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if terminal.Columns(line) > columns {
			t.Errorf("%d columns: %s", terminal.Columns(line), line)
		}
	}
}
