package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// broken is Picket with some lines before all others.
func broken(imports, lines string) edit {
	return edit{"../../cmd/picket/main.go", "\n)\n\nfunc main() { ",
		"\n" + imports + "\n)\n\nfunc main() { " + lines + "; "}
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

// A row that a broken product passes is none. These are of the rows whose fault no other test shows
// to have happened.
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
	jumping, err := folders{"../..", t.TempDir()}.buildJumping(t.Context(), 4*time.Second,
		endsAtJump)
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
			l, err := newEnvironment(test.program, scratch, nftables)
			if err != nil {
				t.Fatal(err)
			}
			l.short, l.source = true, "../.."
			r := l.runRow(t.Context(), test.row)
			if text := strings.Join(r.faults, "\n"); r.good() ||
				!strings.Contains(text, test.want) {
				t.Errorf("%q is not among what was found:\n%s", test.want, tabulate([]*result{r}))
			}
		})
	}
}

// frameWithout builds Picket with another text in nft/layout.go, so that rules are missing.
func frameWithout(t *testing.T, scratch, name string, change edit) (program string) {
	t.Helper()
	overlay, err := overlaid(t.TempDir(), change)
	if err == nil {
		program = filepath.Join(scratch, name)
		err = compile(t.Context(), "../..", "-overlay", overlay, "-o", program, "./cmd/picket")
	}
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// What rules of the frame keep out arrives where they are missing, and is counted.
func TestBrokenFramesAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs")
	}
	needKernel(t)
	scratch := t.TempDir()
	if err := build(t.Context(), "../..", scratch); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, old, new string
		row            row
		want           []string
	}{
		{"nothing is a tunnel", "{tunnels, nil, []rule{\n",
			"{tunnels, nil, []rule{\nnewRule(accept()),\n", &tunnels{}, []string{
				"vxlan from alien to 10.77.0.1", "vxlan from caged to 10.77.0.2",
				"vxlan from alien to 10.244.1.1",
				"vxlan from rogue to 10.77.0.1", "protocol 4 from alien", "protocol 41 from caged",
				"protocol 47 from alien"}},
		{"output is not filtered",
			"slices.Concat(rules, " +
				"dispatches(ruleset.Egress),\n\t\t[]rule{newRule(verdict(expr.VerdictGoto, arrival))})",
			"rules", output{}, []string{
				"caged@n2 > free udp-new IPv4: sent", "caged@n2 > free tcp IPv6: sent",
				"stranger@n1 > web udp-new IPv6: sent", "alien@n1 > web udp-new IPv6: sent"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			change := edit{"../../nft/layout.go", test.old, test.new}
			l, err := newEnvironment(frameWithout(t, scratch, test.row.Name(), change), scratch,
				nftables)
			if err != nil {
				t.Fatal(err)
			}
			l.short, l.source = true, "../.."
			r := l.runRow(t.Context(), test.row)
			table := tabulate([]*result{r})
			for _, want := range test.want {
				if r.leaked() == 0 || !strings.Contains(table, want) {
					t.Errorf("LEAK %d; %q is not among what was found:\n%s", r.leaked(), want,
						table)
				}
			}
		})
	}
}
