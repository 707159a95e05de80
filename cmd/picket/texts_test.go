package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/picket-project/picket/cmd/cli"
)

// text is a Markdown file. prose has its lines outside of code blocks, the others empty.
type text struct {
	path         string // from the root
	whole        string
	prose, codes []string
}

// texts reads all Markdown files of the repository.
func texts(t *testing.T) (all []text) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		others := []string{".git", "bin", "testdata"}
		if err == nil && entry.IsDir() && slices.Contains(others, entry.Name()) {
			return filepath.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".md" {
			all = append(all, newText(path, readFile(t, path)))
		}
		return err
	})
	if err != nil || len(all) < 5 {
		t.Fatalf("%d texts (%v)", len(all), err)
	}
	return all
}

func newText(path, whole string) text {
	x := text{path: strings.TrimPrefix(path, repository+string(filepath.Separator)), whole: whole}
	inCode := false
	for line := range strings.Lines(whole) {
		line = strings.TrimSuffix(line, "\n")
		fence := strings.HasPrefix(line, "```")
		code := inCode && !fence
		inCode = inCode != fence
		if fence || code {
			x.prose = append(x.prose, "")
		} else {
			x.prose = append(x.prose, line)
		}
		if code {
			x.codes = append(x.codes, line)
		}
	}
	return x
}

// What the benchmark and the suites write has wide tables.
func (x text) isWritten() bool {
	return !slices.Contains([]string{"BENCH.md", "RESULTS.md", "KERNELS.md"}, filepath.Base(x.path))
}

func TestTextsAreNarrow(t *testing.T) {
	for _, x := range texts(t) {
		for i, line := range x.prose {
			if n := utf8.RuneCountInString(line); n > 110 && x.isWritten() {
				t.Errorf("%s:%d: %d columns; expected at most 110", x.path, i+1, n)
			}
		}
		if x.path == "README.md" && len(x.prose) > 150 {
			t.Errorf("README.md has %d lines; expected at most 150", len(x.prose))
		}
	}
}

var (
	codeSpan = regexp.MustCompile("`[^`]+`")
	makeCall = regexp.MustCompile(`\bmake ([a-z][a-z0-9-]*)`)
	link     = regexp.MustCompile(`\]\(([^)]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)

	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

func TestTextsNameTargetsThatExist(t *testing.T) {
	exists := makeTargets(t)
	for _, x := range texts(t) {
		spans := codeSpan.FindAllString(strings.Join(x.prose, "\n"), -1)
		for _, code := range slices.Concat(x.codes, spans) {
			for _, call := range makeCall.FindAllStringSubmatch(code, -1) {
				if !exists[call[1]] {
					t.Errorf("%s: make %s: no such target", x.path, call[1])
				}
			}
		}
	}
}

// Links lead to files and headings that are there.
func TestLinksOfTexts(t *testing.T) {
	for _, x := range texts(t) {
		for _, match := range link.FindAllStringSubmatch(strings.Join(x.prose, "\n"), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(match[1], "#")
			target := filepath.Join(repository, filepath.Dir(x.path), path)
			if path == "" {
				target = filepath.Join(repository, x.path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link %s: %v", x.path, match[1], err)
			} else if anchor != "" && !hasHeading(readFile(t, target), anchor) {
				t.Errorf("%s: link %s: no such heading", x.path, match[1])
			}
		}
	}
}

// hasHeading reports whether a heading of a text has that anchor.
func hasHeading(whole, anchor string) bool {
	for _, match := range heading.FindAllStringSubmatch(whole, -1) {
		kept := notInAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
		if strings.ReplaceAll(kept, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// What README.md shows of the verbs that need no kernel is what they print.
func TestReadmeShowsWhatIsPrinted(t *testing.T) {
	whole := readFile(t, filepath.Join(repository, "README.md"))
	t.Chdir(repository)
	t.Setenv("LC_ALL", "C.UTF-8") // for the arrows
	shown := regexp.MustCompile(
		"(?s)```\n\\$ picket ((?:why|render) [^\n]*?) 2>[^\n]*\n(.*?)```")
	blocks := shown.FindAllStringSubmatch(whole, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks; expected one of why and one of render", len(blocks))
	}
	for _, block := range blocks {
		var out, problems strings.Builder
		code := cli.Main(strings.Fields(block[1]), strings.NewReader(""), &out, &problems)
		want := 0
		if strings.Contains(block[2], "DENIED") {
			want = 1
		}
		if code != want || !strings.Contains(out.String(), block[2]) {
			t.Errorf("picket %s: exit code %d\n%s\nREADME.md shows\n%s",
				block[1], code, out.String(), block[2])
		}
	}
}
