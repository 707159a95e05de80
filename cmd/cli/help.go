package cli

import (
	"bytes"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/terminal"
)

// foldHelp has the help of a verb, and of those below it, fit the terminal.
func foldHelp(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		out := cmd.OutOrStdout()
		var text bytes.Buffer
		cmd.SetOut(&text)
		help(cmd, args)
		cmd.SetOut(out)
		_, _ = io.WriteString(out, foldedHelp(text.String(), terminal.Width(out)))
	})
}

// foldedHelp folds the lines of a help. Those at the margin are sentences, and are filled anew; of
// flags, verbs and lists each line stands by itself.
func foldedHelp(text string, width int) string {
	if width == 0 {
		return text
	}
	var all strings.Builder
	var words []string
	endSentences := func() {
		if len(words) > 0 {
			all.WriteString(terminal.Fold(strings.Join(words, " "), width, "") + "\n")
			words = nil
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line != "" && line[0] != ' ' {
			words = append(words, strings.Fields(line)...)
			continue
		}
		endSentences()
		all.WriteString(foldedEntry(line, width) + "\n")
	}
	endSentences()
	return all.String()
}

// described is a flag or a verb and the blanks before what is said of it.
var described = regexp.MustCompile(`^ +\S.*?\S {2,}`)

// foldedEntry folds what is said of a flag or verb below itself.
func foldedEntry(line string, width int) string {
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))] + "  "
	// Where a flag takes most of the width, what is said of it goes on near the margin.
	if at := described.FindString(line); at != "" && len(at) <= width/2 {
		indent = strings.Repeat(" ", len(at))
	}
	return terminal.Fold(line, width, indent)
}
