package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/cli/terminal"
	"github.com/picket-project/picket/controller/source/manifests"
)

// upOptions are the flags of up.
type upOptions struct {
	options
	daemon bool
}

// endOfOutput ends what the daemon prints for the user. From then on nobody listens to it.
const endOfOutput = '\x00'

// newUpCmd is the verb that starts a sandbox in the background. With the hidden flag --daemon it is
// the process in the background.
func newUpCmd() *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up --manifests DIR|FILE|-...",
		Short: "Start a sandbox in the background, to look around in",
		Long: `Start a sandbox in the background: the nodes and pods of the manifests as network namespaces, with the real
agent on every node. The agents watch the manifests, so that a policy counts as soon as it is saved; nodes and
pods stay those of the start. "picket sandbox exec" runs commands inside, "picket sandbox down" ends it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			if o.daemon {
				return enter(cmd, func(ctx context.Context) error { return o.serve(ctx, cmd) })
			}
			return o.launch(cmd)
		},
	}
	o.bind(cmd.Flags())
	cmd.Flags().BoolVar(&o.daemon, "daemon", false, "be the process in the background")
	_ = cmd.Flags().MarkHidden("daemon")
	return cmd
}

// newDownCmd is the verb that ends the sandbox in the background.
func newDownCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the sandbox in the background and everything in it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := userStateDir().down(); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "the sandbox is down")
			return err
		},
	}
}

// launch starts the daemon and waits until it is ready or has failed. Either way it prints what the
// daemon prints.
func (o *upOptions) launch(cmd *cobra.Command) error {
	if err := o.makePathsAbsolute(); err != nil {
		return err
	}
	// The lock is taken before the daemon starts, so that of two launches at once one is refused.
	lock, err := userStateDir().claim()
	if err != nil {
		return err
	}
	defer lock.Close()
	daemon := exec.Command("/proc/self/exe", append(commandLine(cmd), "--daemon")...)
	// In / the daemon keeps no other file system from being unmounted.
	daemon.Args[0], daemon.Dir = os.Args[0], "/"
	// Otherwise the daemon's standard input is /dev/null.
	if slices.Contains(o.Paths, manifests.Stdin) {
		daemon.Stdin = os.Stdin
	}
	daemon.ExtraFiles = []*os.File{lock} // the daemon holds the lock from here on
	// In a session of its own the daemon does not get the signals of the terminal.
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	output, err := startDaemon(cmd.Context(), daemon, lock)
	if err != nil {
		// What the daemon has printed says why it failed.
		_, _ = io.WriteString(cmd.ErrOrStderr(), terminal.Clean(output))
		return errors.Join(err, os.RemoveAll(string(userStateDir())))
	}
	_, err = io.WriteString(cmd.OutOrStdout(), terminal.Clean(output))
	return err
}

// makePathsAbsolute is for the daemon, whose working directory is another one. The standard input
// is no path.
func (o *upOptions) makePathsAbsolute() error {
	for _, paths := range [][]string{o.Paths, o.Kustomizations} {
		for i, path := range paths {
			if path == manifests.Stdin {
				continue
			}
			// A relative path would be looked up below /.
			absolute, err := filepath.Abs(path)
			if err != nil {
				return err
			}
			paths[i] = absolute
		}
	}
	return nil
}

// startDaemon returns what the daemon prints until it is ready; an error if it ends before. An
// interrupt meanwhile ends the daemon.
func startDaemon(
	ctx context.Context, daemon *exec.Cmd, lock *os.File,
) (output string, err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	stdout, err := daemon.StdoutPipe()
	if err != nil {
		return "", err
	}
	// Both streams share one pipe, so their lines stay in their order.
	daemon.Stderr = daemon.Stdout
	if err := daemon.Start(); err != nil {
		return "", err
	}
	// The verb down reads this number to know whom to signal.
	if _, err := fmt.Fprintln(lock, daemon.Process.Pid); err != nil {
		return "", errors.Join(err, daemon.Process.Kill())
	}
	defer context.AfterFunc(ctx, func() { _ = daemon.Process.Signal(syscall.SIGTERM) })()
	// Without endOfOutput the pipe ends when the daemon does.
	output, err = bufio.NewReader(stdout).ReadString(endOfOutput)
	if err == nil {
		return strings.TrimSuffix(output, string(endOfOutput)), nil
	}
	var ended *exec.ExitError
	if err := daemon.Wait(); errors.As(err, &ended) {
		return output, exit.Code(ended.ExitCode())
	}
	return output, fmt.Errorf("the sandbox has ended by itself: %w", err)
}
