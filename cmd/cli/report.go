package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/lint"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/cmd/inspect/report"
	htmlpage "github.com/picket-project/picket/cmd/inspect/report/page"
)

// reportOptions are the flags of report.
type reportOptions struct {
	answerOptions
	out    string
	change []string
}

// newReportCmd is the verb that writes a page with everything.
func newReportCmd() *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report --out FILE",
		Short: "Write one page with who reaches whom and why, coverage, and findings",
		Long: `Write one HTML file that works offline and sends nothing anywhere: who reaches whom, by
workload, and why; which namespaces reach each other; coverage; what lint finds; and, with --change,
what a change of policies would cut and open. Names of workloads, policies and labels are in the
file: show it only to those who may know them.

Links into the page can be kept: page.html#why=shop/web,shop/db:5432

  -o json    the same for programs: the answers of matrix, coverage, lint and diff in one

With -n it says only who reaches the pods of that namespace, how far they are covered, and what lint
finds there; a change is shown as a whole. All workloads and policies of the cluster are still in the
file, by name and with their labels: they explain who reaches the namespace.

The exit code is 0, or 2 after an error.`,
		Example: `  picket report --out page.html
  picket report -f deploy/demo --out page.html
  picket report -f main/manifests --change new-policy.yaml --out review.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.Source.Bind(cmd.Flags())
	o.bindFormats(cmd, "html", "json")
	o.completeNamespaces(cmd)
	cmd.Flags().StringVar(&o.out, "out", "", "file to write; without it the standard output")
	cmd.Flags().StringArrayVar(&o.change, "change", nil,
		"file or folder with new policies, of which the page says what they would cut and open; "+
			"may be given several times")
	return cmd
}

// run writes the report.
func (o *reportOptions) run(cmd *cobra.Command) error {
	// A terminal would show the text of the file, which is of use to nobody.
	if o.out == "" && o.output == "html" && terminal.Width(cmd.OutOrStdout()) > 0 {
		return errors.New("--out is missing; expected a file for the page, or a pipe")
	}
	l, err := o.load(cmd)
	if err != nil {
		return err
	}
	in, err := o.collect(cmd, l)
	if err != nil {
		return err
	}
	// It is complete before anything is written, so that no error leaves half a file.
	var text bytes.Buffer
	if err := o.write(&text, in); err != nil {
		return err
	}
	if o.out == "" {
		_, err = text.WriteTo(cmd.OutOrStdout())
		return err
	}
	if err := writePrivate(o.out, text.Bytes()); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// writePrivate writes a file that only its owner can read: names of workloads and policies are not
// for every user of this machine. A file that is there is replaced as a whole, its mode as well, or
// not at all. A link to a file, which somebody else may have put there, is refused.
func writePrivate(path string, content []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, content, 0o600) // a pipe or a device can't be replaced
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is a link; expected a file, or a name that is free", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// write writes it in the form of -o.
func (o *reportOptions) write(w io.Writer, in report.Input) error {
	// The page has the answers in a form of its own, which is smaller.
	if o.output == "html" {
		data, err := report.New(in)
		if err != nil {
			return err
		}
		return htmlpage.Write(w, data)
	}
	// For programs it is the answers as the other verbs give them.
	r, err := report.Of(in)
	if err != nil {
		return err
	}
	return o.print(w, "Report", r, nil)
}

// collect asks for the parts of a report that are other verbs' answers.
func (o *reportOptions) collect(cmd *cobra.Command, l *input.Loaded) (report.Input, error) {
	in := report.Input{Cluster: l.Cluster, Namespace: l.Shown, Source: o.From(),
		Made:     time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		Findings: shown(lint.Run(l.Cluster, l.Files), l.Shown)}
	// Without a change the page has no such view.
	if len(o.change) == 0 {
		return in, nil
	}
	// A change is read as files are, and is applied as diff applies it.
	change := input.Flags{Paths: o.change, Recursive: o.Recursive, Namespace: l.Namespace,
		PathFlag: "--change"}
	over, err := change.Read(cmd.InOrStdin())
	if err != nil {
		return in, err
	}
	tellProblems(cmd.ErrOrStderr(), over)
	after := applied(l.Objects, over.Objects, true)
	d := reach.Compare(l.Cluster, ask.New(after, l.Services))
	in.Diff = &d
	return in, nil
}
