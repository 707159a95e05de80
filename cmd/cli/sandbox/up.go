package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/controller/manifests"
	"github.com/picket-project/picket/ruleset"
)

// sandboxUp are the flags of sandbox up.
type sandboxUp struct {
	sandboxOptions
	daemon bool
}

// ready ends what the daemon has to say to the user; from then on it is on its own.
const ready = '\x00'

func newSandboxUpCmd() *cobra.Command {
	var o sandboxUp
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

func newSandboxDownCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the sandbox in the background and everything in it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := theStateDir().down(); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "the sandbox is down")
			return err
		},
	}
}

// launch starts the daemon and waits until it is ready or has failed; either way it prints what the daemon says.
func (o *sandboxUp) launch(cmd *cobra.Command) error {
	if err := o.absolute(); err != nil {
		return err
	}
	lock, err := theStateDir().claim()
	if err != nil {
		return err
	}
	defer lock.Close()
	daemon := exec.Command("/proc/self/exe", append(commandLine(cmd), "--daemon")...)
	daemon.Args[0], daemon.Dir = os.Args[0], "/"
	if slices.Contains(o.paths, manifests.Stdin) {
		daemon.Stdin = os.Stdin
	}
	daemon.ExtraFiles = []*os.File{lock} // holds the lock from here on
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	said, err := start(cmd.Context(), daemon, lock)
	if err != nil {
		_, _ = io.WriteString(cmd.ErrOrStderr(), said)
		return errors.Join(err, os.RemoveAll(string(theStateDir())))
	}
	_, err = io.WriteString(cmd.OutOrStdout(), said)
	return err
}

// absolute is for a daemon that has another working directory.
func (o *sandboxUp) absolute() error {
	for i, path := range o.paths {
		if path == manifests.Stdin {
			continue
		}
		whole, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		o.paths[i] = whole
	}
	return nil
}

// start returns what the daemon says until it is ready; an error if it ends before.
func start(ctx context.Context, daemon *exec.Cmd, lock *os.File) (said string, err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	voice, err := daemon.StdoutPipe()
	if err != nil {
		return "", err
	}
	daemon.Stderr = daemon.Stdout
	if err := daemon.Start(); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(lock, daemon.Process.Pid); err != nil {
		return "", errors.Join(err, daemon.Process.Kill())
	}
	defer context.AfterFunc(ctx, func() { _ = daemon.Process.Signal(syscall.SIGTERM) })()
	said, err = bufio.NewReader(voice).ReadString(ready)
	if err == nil {
		return strings.TrimSuffix(said, string(ready)), nil
	}
	var exit *exec.ExitError
	if err := daemon.Wait(); errors.As(err, &exit) {
		return said, exitCode(exit.ExitCode())
	}
	return said, fmt.Errorf("the sandbox has ended by itself: %w", err)
}

// serve is the daemon: it keeps the sandbox until a signal comes.
func (o *sandboxUp) serve(ctx context.Context, cmd *cobra.Command) error {
	unix.CloseOnExec(firstFile) // the lock is not for those that are started here
	b, err := loadBlueprint(cmd, o.inputFlags)
	if err != nil {
		return err
	}
	c, err := b.build(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := o.furnish(ctx, c, b, cmd.OutOrStdout()); err != nil {
		return err
	}
	if err := hush(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// furnish adds to the cluster what makes it usable: the agents, and somebody who answers exec.
func (o *sandboxUp) furnish(ctx context.Context, c *sandbox.Cluster, b *blueprint, out io.Writer) error {
	state := theStateDir()
	orders, err := o.orders(b, state)
	if err != nil {
		return err
	}
	warnings, err := startAgents(ctx, c, b.nodes, orders)
	if err != nil {
		return err
	}
	d := &doorkeeper{cluster: c, blueprint: b}
	if err := d.open(ctx, state.path("socket")); err != nil {
		return err
	}
	return b.announce(out, orders.manifests, warnings)
}

// orders lets the agents watch the manifests themselves, or a completed copy where those have gaps.
func (o *sandboxUp) orders(b *blueprint, state stateDir) (orders, error) {
	watched := orders{manifests: o.paths, deny: o.deny, log: state.log}
	if !b.madeUp {
		return watched, nil
	}
	copied := state.path("manifests")
	watched.manifests = []string{copied}
	return watched, b.write(copied)
}

// write makes a folder of the completed objects.
func (b *blueprint) write(folder string) error {
	err := os.Mkdir(folder, 0o700)
	for name, text := range map[string][]byte{
		"nodes": encoded(b.objects.Nodes), "namespaces": encoded(b.objects.Namespaces),
		"pods": encoded(b.objects.Pods), "policies": encoded(b.objects.Policies),
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name+".json"), text, 0o600)
		}
	}
	return err
}

// announce says what is there and what can be done with it.
func (b *blueprint) announce(out io.Writer, watched, warnings []string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range warnings {
		fmt.Fprintf(w, "warning: %s\n", p)
	}
	fmt.Fprintf(w, "The sandbox is up: %s.\n\n", b.size("and"))
	for _, p := range b.pods {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", p.name, p.node, join(p.doors, " "), join(p.addrs, " "))
	}
	fmt.Fprintf(w, "\n%s\n  %s\n\nWhat you can do:\n", map[bool]string{
		false: "The agents watch the manifests themselves; a policy that you save there counts at once:",
		true:  "The manifests leave things open. The agents watch a completed copy:",
	}[b.madeUp], strings.Join(watched, "\n  "))
	for _, e := range b.examples() {
		fmt.Fprintf(w, "  picket sandbox %s\t%s\n", e[0], e[1])
	}
	fmt.Fprintf(w, "%c", ready)
	return w.Flush()
}

// examples are commands for this sandbox, each with what it does: among others a pod that asks another one for
// its name and is allowed to, and one that is not.
func (b *blueprint) examples() [][2]string {
	var list [][2]string
	trials := b.trials(b.rules())
	for _, allowed := range []bool{true, false} {
		i := slices.IndexFunc(trials, func(t trial) bool { return t.allowed == allowed && t.door.proto == ruleset.TCP })
		if i >= 0 {
			list = append(list, trials[i].example())
		}
	}
	first := b.pods[0]
	return append(list,
		[2]string{"exec " + first.name, "a shell in a pod"},
		[2]string{"exec node:" + first.node + " -- nft list table inet picket", "the rules of a node"},
		[2]string{"down", "end it all"},
	)
}

func (t trial) example() [2]string {
	command := fmt.Sprintf("exec %s -- curl -sm2 telnet://%s", t.probe.From, netip.AddrPortFrom(t.probe.Addr, t.door.number))
	if t.allowed {
		return [2]string{command, t.probe.To + " answers with its name"}
	}
	return [2]string{command, "denied"}
}

// join prints values one behind the other.
func join[T fmt.Stringer](list []T, by string) string {
	var texts []string
	for _, v := range list {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, by)
}

// hush lets go of the standard streams: the one who listened has gone.
func hush() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		err = errors.Join(err, unix.Dup3(int(null.Fd()), fd, 0))
	}
	return err
}
