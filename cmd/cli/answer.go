package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/cli/terminal"
)

// answerOptions are the flags that all verbs have which answer questions.
type answerOptions struct {
	input.Source
	output  string
	formats []string // that -o takes, the usual one first
}

// bind adds the flags to those of a verb. more are formats beside those that every verb has.
func (o *answerOptions) bind(cmd *cobra.Command, more ...string) {
	o.Source.Bind(cmd.Flags())
	o.bindOutput(cmd, more...)
}

// bindOutput adds -o and completes what it and -n take.
func (o *answerOptions) bindOutput(cmd *cobra.Command, more ...string) {
	o.bindFormats(cmd, usualFormats(more...)...)
	o.completeNamespaces(cmd)
}

// usualFormats are those that every verb has, and more.
func usualFormats(more ...string) []string {
	return append([]string{"table", "wide", "json", "yaml"}, more...)
}

// bindFormats adds -o alone, which takes these formats, the usual one first. That is all that the
// program of nodes needs: it reads neither files nor clusters.
func (o *answerOptions) bindFormats(cmd *cobra.Command, formats ...string) {
	o.formats = formats
	cmd.Flags().StringVarP(&o.output, "output", "o", o.formats[0],
		"form of the answer: "+orList(o.formats))
	completeFlag(cmd, "output", func() []string { return o.formats })
}

// completeNamespaces completes what -n takes.
func (o *answerOptions) completeNamespaces(cmd *cobra.Command) {
	completeFlag(cmd, "namespace", func() []string {
		return o.complete(cmd, func(l *input.Loaded) []string { return l.NamespaceNames() })
	})
}

// completeFlag completes the values of a flag that a verb has.
func completeFlag(cmd *cobra.Command, name string, values func() []string) {
	// The flag is there, so this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) (
		[]string, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp
	})
}

// orList writes words as "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Validate checks what the flags can be checked for alone.
func (o *answerOptions) Validate() error {
	if !slices.Contains(o.formats, o.output) {
		return fmt.Errorf("-o %q: expected %s", o.output, orList(o.formats))
	}
	return nil
}

// load validates the flags and reads the files or the cluster.
func (o *answerOptions) load(cmd *cobra.Command) (*input.Loaded, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	l, err := o.Cluster(cmd)
	if l == nil || err != nil || l.Shown == "" {
		return l, err
	}
	// Else nothing would be looked at, and all be well.
	if err := l.CheckNamespace(l.Shown); err != nil {
		return nil, fmt.Errorf("--namespace: %w", err)
	}
	return l, nil
}

// complete returns names for the shell; none if nothing can be read.
func (o *answerOptions) complete(cmd *cobra.Command, names func(*input.Loaded) []string) []string {
	// A shell shows whatever is printed, so warnings are dropped.
	quiet := *cmd
	quiet.SetErr(io.Discard)
	l, err := o.Cluster(&quiet)
	if err != nil {
		return nil
	}
	return names(l)
}

// completeEnds completes arguments that name pods and workloads, up to a number of them.
func (o *answerOptions) completeEnds(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (
		[]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return o.complete(cmd, endNames),
			cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// endNames lists what a question can be about.
func endNames(l *input.Loaded) []string {
	names := []string{"internet"}
	// A name that workloads of two kinds have says too little.
	kinds, several := map[string]string{}, map[string]bool{}
	for _, p := range l.Pods {
		key, kind := p.Workload.Key(), p.Workload.Kind
		several[key] = several[key] || kinds[key] != "" && kinds[key] != kind
		kinds[key] = kind
	}
	for _, p := range l.Pods {
		name := p.Workload.Key()
		if several[name] {
			name = p.Workload.WithKind()
		}
		names = append(names, p.Key.String(), name)
	}
	for _, s := range l.Services {
		names = append(names, s.Namespace+"/svc/"+s.Name)
	}
	for _, n := range l.NodeNames() {
		names = append(names, "node/"+n)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// document is the form of every answer for programs. Answer is described in SCHEMA.md.
type document struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Answer     any    `json:"answer"`
}

// documentVersion changes when a field changes its meaning or goes. New fields do not change it.
const documentVersion = "picket.dev/v1"

// print writes an answer in the form of -o.
func (o *answerOptions) print(out io.Writer, kind string, answer any, text func(*page)) error {
	doc := document{documentVersion, kind, answer}
	switch o.output {
	case "json":
		e := json.NewEncoder(out)
		// An arrow or a comparison in a text stays readable.
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(doc)
	case "yaml":
		data, err := yaml.Marshal(doc)
		if err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		_, err = out.Write(data)
		return err
	}
	p := newPage(out)
	p.wide = o.output == "wide"
	text(p)
	_, err := io.WriteString(out, p.Clean(p.String()))
	return err
}

// page is an answer as text for people.
type page struct {
	strings.Builder
	terminal.Palette
	width int
	wide  bool // everything is asked for, however long
	arrow string
}

// pageWidth is the width where there is no terminal.
const pageWidth = 80

// newPage makes a page that fits the output.
func newPage(out io.Writer) *page {
	p := &page{Palette: terminal.Palette(terminal.Coloured(out)), width: terminal.Width(out),
		arrow: "->"}
	// A pipe or file has no width, and gets what most terminals have.
	if p.width == 0 {
		p.width = pageWidth
	}
	if terminal.UTF8() {
		p.arrow = "→"
	}
	return p
}

// line writes a line, which is folded behind an indent if it is too long. A newline in front of it
// is an empty line.
func (p *page) line(indent, format string, args ...any) {
	text, blank := strings.CutPrefix(fmt.Sprintf(format, args...), "\n")
	if blank {
		p.WriteString("\n")
	}
	p.WriteString(terminal.Fold(text, p.width, indent) + "\n")
}

// table writes a table.
func (p *page) table(t terminal.Table) { t.Print(&p.Builder, p.width) }

// few lists names, and how many more there are where not everything is asked for.
func (p *page) few(names []string, most int) string { return p.fewOf(names, most, 0) }

// fewOf is few where there are more whose names are not known.
func (p *page) fewOf(names []string, most, unnamed int) string {
	if len(names) == 0 {
		return "-"
	}
	shown := len(names)
	if !p.wide {
		shown = min(shown, most)
	}
	text := strings.Join(names[:shown], ", ")
	if more := len(names) - shown + unnamed; more > 0 {
		text += fmt.Sprintf(" +%d", more)
	}
	return text
}
