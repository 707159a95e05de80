package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/cli/sysdump"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/controller/source/client"
)

// sysdumpOptions are the flags of sysdump.
type sysdumpOptions struct {
	input.Source
	reach agentReach
	file  string
}

// newSysdumpCmd is the verb that makes a file for whoever is asked for help.
func newSysdumpCmd() *cobra.Command {
	var o sysdumpOptions
	cmd := &cobra.Command{
		Use:   "sysdump",
		Short: "Make one file of all that is needed to find out what is wrong",
		Long: `Make a tar.gz of what the agents say (readiness, what the kernels hold and should hold, metrics,
versions, the end of their logs) and of what policies depend on: policies, labels, addresses and
ports. There is no secret, no environment, no annotation and no command of a pod in it, but names and
addresses are. What could not be had is listed in missing.txt.

The exit code is 0 if all is there, 1 if something is missing, 2 after an error.`,
		Example: `  picket sysdump
  picket sysdump -o - | ssh support tee dump.tar.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.BindCluster(cmd.Flags())
	o.reach.bind(cmd)
	cmd.Flags().StringVarP(&o.file, "output", "o", "",
		"file to make, or - for the standard output (default picket-sysdump-TIME.tar.gz)")
	return cmd
}

// run makes the file, or writes to the standard output.
func (o *sysdumpOptions) run(cmd *cobra.Command) error {
	name := "picket-sysdump-" + time.Now().UTC().Format("20060102-150405")
	// The standard output is the archive alone.
	if o.file == "-" {
		a, err := o.write(cmd, cmd.OutOrStdout(), name)
		if err != nil {
			return err
		}
		return tellMissing(cmd.ErrOrStderr(), a)
	}
	// The usual name tells when it was made, so that several can lie in one folder.
	path := cmp.Or(o.file, name+".tar.gz")
	// It tells names and addresses, so it is for its owner alone, and it replaces nothing.
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	a, err := o.write(cmd, out, name)
	// Half an archive would look like a whole one.
	if err := errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", path, inspect.Count(len(a.Names), "file"))
	return tellMissing(cmd.OutOrStdout(), a)
}

// tellMissing says what could not be had. It is inside as well, for whoever gets the file.
func tellMissing(out io.Writer, a *sysdump.Archive) error {
	for _, m := range a.Missing {
		input.Tell(out, "missing", m)
	}
	if len(a.Missing) > 0 {
		return exit.Code(1)
	}
	return nil
}

// write collects everything.
func (o *sysdumpOptions) write(cmd *cobra.Command, out io.Writer, name string) (*sysdump.Archive, error) {
	answers := answerOptions{Source: o.Source}
	fleet, _, err := answers.fleet(o.reach)
	if err != nil {
		return nil, err
	}
	l, err := o.Cluster(cmd)
	if err != nil {
		return nil, err
	}
	api, err := client.New(fleet.Config)
	if err != nil {
		return nil, err
	}
	a := sysdump.New(out, name, time.Now())
	// What cannot be had from here on is noted, and the rest goes on.
	version, err := api.Version(cmd.Context())
	a.JSON("cluster/version.json", version, err)
	a.Text("version.txt", []byte(versionLine()), nil)
	a.Objects(l.Objects, l.Services)
	// Without agents there is still what the API server has.
	list, err := fleet.Agents(cmd.Context())
	if err != nil {
		a.Text("nodes", nil, err)
	}
	a.Agents(cmd.Context(), api, list)
	return a, a.Close()
}
