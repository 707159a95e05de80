package nft

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

// randomPrograms is how many random programs each test takes, in a short run only a few. They are the
// same in every run: the number is the seed.
func randomPrograms() int {
	if testing.Short() {
		return 3
	}
	return 30
}

// eachProgram runs a test with no program, the sample in both of its denials, and random programs.
func eachProgram(t *testing.T, do func(*testing.T, *ruleset.Program)) {
	t.Run("empty", func(t *testing.T) { do(t, &ruleset.Program{}) })
	for _, denial := range []ruleset.Denial{ruleset.Drop, ruleset.Reject} {
		t.Run(denial.String(), func(t *testing.T) { do(t, sample(denial)) })
	}
	for seed := range randomPrograms() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { do(t, programs().Example(seed)) })
	}
}

// listed is the table as the nft program prints it.
func listed(t testing.TB) string {
	t.Helper()
	return nftProgram(t, "", "list", "table", "inet", tableName)
}

// wantHeld observes: nothing may be left to do.
func wantHeld(t testing.TB, b *Backend, want *ruleset.Program) {
	t.Helper()
	have, err := b.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := ruleset.Diff(have, want); !d.Empty() {
		t.Fatalf("left to do:\n%s", d.String())
	}
}

// What the kernel shows after netlink is what it shows after the script, and can be loaded again.
func TestNetlinkAndScriptMakeTheSameTable(t *testing.T) {
	eachProgram(t, func(t *testing.T, want *ruleset.Program) {
		newNetns(t)
		script := Script(want, probed(t))
		nftProgram(t, script, "-c", "-f", "-")
		nftProgram(t, script, "-f", "-")
		fromScript := listed(t)
		wantHeld(t, open(t, Options{NoOwner: true}), want)
		newNetns(t)
		b := open(t, Options{NoOwner: true})
		converge(t, b, want)
		fromNetlink := listed(t)
		if diff := cmp.Diff(fromScript, fromNetlink); diff != "" {
			t.Errorf("listing after the script (-) and after netlink (+):\n%s", diff)
		}
		nftProgram(t, "flush ruleset\n"+fromNetlink, "-f", "-")
		wantHeld(t, b, want)
	})
}

// A program that was reached by a delta is the program that was loaded at once. Objects come in
// the order in which they were made, so their blocks are sorted.
func TestDeltaLeadsToTheSameTable(t *testing.T) {
	for seed := range randomPrograms() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			a, b := programs().Example(seed), programs().Example(1000+seed)
			newNetns(t)
			converge(t, open(t, Options{NoOwner: true}), b)
			atOnce := listed(t)
			newNetns(t)
			backend := open(t, Options{NoOwner: true})
			converge(t, backend, a)
			if d := converge(t, backend, b); d.Frame != (a.Strict != b.Strict) {
				t.Errorf("frame made anew: %t", d.Frame)
			}
			if diff := cmp.Diff(blocks(atOnce), blocks(listed(t))); diff != "" {
				t.Errorf("at once (-) and by a delta (+):\n%s", diff)
			}
			converge(t, backend, &ruleset.Program{})
		})
	}
}

// blocks are the chains, sets and maps of a listing, sorted, with the elements of each sorted too.
func blocks(listing string) []string {
	blocks := strings.Split(listing, "\n\n")
	for i, block := range blocks {
		before, elements, found := strings.Cut(block, "elements = {")
		if found {
			inside, after, _ := strings.Cut(elements, "}")
			list := strings.Split(inside, ",")
			for j := range list {
				list[j] = strings.TrimSpace(list[j])
			}
			slices.Sort(list)
			block = before + strings.Join(list, "\n") + after
		}
		blocks[i] = strings.Trim(block, "{}\n") // the table's own braces
	}
	slices.Sort(blocks)
	return blocks
}

var counters = regexp.MustCompile(`counter packets \d+ bytes \d+`)

// chainLines are the lines of all chains, as they stand in a script or a listing.
func chainLines(text string) []string {
	var lines []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		inside = inside || strings.HasPrefix(line, "\tchain ")
		if inside {
			line = strings.Replace(line, "icmpx type", "icmpx", 1)
			lines = append(lines, counters.ReplaceAllString(line, "counter"))
		}
		inside = inside && line != "\t}"
	}
	return lines
}

// Nobody misreads a script: nft lists every line of every chain as it stands there, but for the word
// that only its old versions want.
func TestListingReadsLikeTheScript(t *testing.T) {
	eachProgram(t, func(t *testing.T, p *ruleset.Program) {
		newNetns(t)
		script := Script(p, probed(t))
		nftProgram(t, script, "-f", "-")
		want := chainLines(script)
		if diff := cmp.Diff(want, chainLines(listed(t))); diff != "" || len(want) < 10 {
			t.Errorf("script (-), listing (+), of %d lines:\n%s", len(want), diff)
		}
	})
}
