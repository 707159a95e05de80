package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// broken is Picket with some lines before all others.
func broken(imports, lines string) edit {
	return edit{"../../cmd/picket/main.go", "\n)\n\nfunc main() { ", "\n" + imports + "\n)\n\nfunc main() { " + lines + "; "}
}

// endsAtJump is what becomes of a program whose watchdog has never seen a clock that goes back.
var endsAtJump = broken(`"time"`, `began := time.Now().Round(0)
	go func() {
		for time.Sleep(time.Second); !time.Now().Round(0).Before(began); time.Sleep(time.Second) {
		}
		os.Exit(1)
	}()`)

// endsWithoutRoom can't do without a file of its own.
var endsWithoutRoom = broken("", `if f, err := os.CreateTemp("", "picket"); err == nil {
		if _, err := f.WriteString("state"); err != nil {
			os.Exit(1)
		}
		_ = os.Remove(f.Name())
	}`)

// A row that a broken product passes is none. These are of the rows whose fault no other test shows to have happened.
func TestBrokenProductsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds three programs")
	}
	needKernel(t)
	scratch := t.TempDir()
	if err := build(t.Context(), "../..", scratch); err != nil {
		t.Fatal(err)
	}
	usual := picket(t, scratch)
	jumping, err := buildJumping(t.Context(), "../..", t.TempDir(), 4*time.Second, endsAtJump)
	if err != nil {
		t.Fatal(err)
	}
	needy := filepath.Join(scratch, "needy")
	overlay, err := overlaid(t.TempDir(), endsWithoutRoom)
	if err == nil {
		err = compile(t.Context(), "../..", "-overlay", overlay, "-o", needy, "./cmd/picket")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, program string
		row           row
		want          string
	}{
		{"a watchdog of the clock", usual, &clock{program: jumping}, "the process has ended"},
		{"a clock that does not jump", usual, &clock{program: usual}, "its clock has not jumped"},
		{"a file of its own", needy, diskFull{}, "the process has ended"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := newLab(test.program, scratch)
			if err != nil {
				t.Fatal(err)
			}
			l.short, l.source = true, "../.."
			r := l.try(t.Context(), test.row)
			if text := strings.Join(r.faults, "\n"); r.good() || !strings.Contains(text, test.want) {
				t.Errorf("%q is not among what was found:\n%s", test.want, tabulate([]*result{r}))
			}
		})
	}
}
