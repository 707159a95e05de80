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

// foldedHelp folds the lines of a help. What is above the usage is sentences, whose lines are
// filled anew; below it each line stands by itself.
func foldedHelp(text string, width int) string {
	if width == 0 {
		return text
	}
	about, usage, _ := strings.Cut(text, "Usage:\n")
	var all strings.Builder
	for i, paragraph := range strings.Split(strings.TrimRight(about, "\n"), "\n\n") {
		if i > 0 {
			all.WriteString("\n\n")
		}
		words := strings.Join(strings.Fields(paragraph), " ")
		if strings.Contains(paragraph, "\n ") { // a list or an example
			words = paragraph
		}
		all.WriteString(terminal.Fold(words, width, ""))
	}
	all.WriteString("\n\nUsage:\n")
	for line := range strings.Lines(usage) {
		all.WriteString(foldedUsage(strings.TrimRight(line, "\n"), width) + "\n")
	}
	return all.String()
}

// described is a flag or a verb and the blanks before what is said of it.
var described = regexp.MustCompile(`^ +\S.*?\S {2,}`)

// foldedUsage folds what is said of a flag below itself.
func foldedUsage(line string, width int) string {
	indent := "    "
	// Where a flag takes most of the width, what is said of it goes on near the margin.
	if at := described.FindString(line); at != "" && len(at) <= width/2 {
		indent = strings.Repeat(" ", len(at))
	}
	return terminal.Fold(line, width, indent)
}
