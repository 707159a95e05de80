package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset"
)

// serve is what the daemon of up does: it keeps the sandbox until a signal comes.
func (o *upOptions) serve(ctx context.Context, cmd *cobra.Command) error {
	unix.CloseOnExec(firstFile) // the lock: agents and commands must not hold it
	p, err := loadPlan(cmd, o.Flags)
	if err != nil {
		return err
	}
	// The network is complete before any agent starts.
	c, err := p.build(ctx, progress{})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := o.startServices(ctx, c, p, cmd.OutOrStdout()); err != nil {
		return err
	}
	// The user has been told everything, and the program that started this one returns.
	if err := closeStandardStreams(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// startServices adds the agents and the execServer to the cluster, and tells the user.
func (o *upOptions) startServices(
	ctx context.Context, c *sandbox.Cluster, p *plan, out io.Writer,
) error {
	dir := userStateDir()
	config, err := o.agentConfig(p, dir)
	if err != nil {
		return err
	}
	warnings, err := startAgents(ctx, c, p.nodes, config)
	if err != nil {
		return err
	}
	// exec finds a socket only when all agents are ready.
	server := &execServer{cluster: c, plan: p}
	if err := server.listen(ctx, dir.path("socket")); err != nil {
		return err
	}
	return p.announce(out, config.manifests, warnings)
}

// agentConfig lets the agents watch the manifests themselves, or a completed copy if the manifests
// leave something open.
func (o *upOptions) agentConfig(p *plan, dir stateDir) (agentConfig, error) {
	config := agentConfig{manifests: o.Paths, deny: o.deny, openLog: dir.openLog}
	// Agents that watch what the user edits notice each change at once.
	if !p.madeUp {
		return config, nil
	}
	// What was made up must be in files, since agents read files only.
	completed := dir.path("manifests")
	config.manifests = []string{completed}
	return config, p.write(completed)
}

// write makes a folder of the completed objects.
func (p *plan) write(folder string) error {
	err := os.Mkdir(folder, 0o700)
	for name, text := range map[string][]byte{
		"nodes": encode(p.objects.Nodes), "namespaces": encode(p.objects.Namespaces),
		"pods": encode(p.objects.Pods), "policies": encode(p.objects.Policies),
	} {
		// After an error nothing more is written.
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name+".json"), text, 0o600)
		}
	}
	return err
}

// How announce introduces the paths that the agents watch.
const (
	watchManifests = "The agents watch the manifests themselves; " +
		"a policy that you save there counts at once:"
	watchCopy = "The manifests leave things open. The agents watch a completed copy:"
)

// announce says what there is and what can be done with it.
func (p *plan) announce(out io.Writer, watched, warnings []string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, warning := range warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	fmt.Fprintf(w, "The sandbox is up: %s.\n\n", p.size("and"))
	// Columns: the pod, its node, the ports that it serves, its addresses.
	for _, pod := range p.pods {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", pod.Name, pod.Node, join(pod.ports), join(pod.Addrs))
	}
	title := watchManifests
	if p.madeUp {
		title = watchCopy
	}
	fmt.Fprintf(w, "\n%s\n  %s\n\nWhat you can do:\n", title, strings.Join(watched, "\n  "))
	for _, e := range p.examples() {
		fmt.Fprintf(w, "  picket sandbox %s\t%s\n", e[0], e[1])
	}
	fmt.Fprintf(w, "%c", endOfOutput)
	return w.Flush()
}

// examples are commands for this sandbox, each with what it does. Among them is a pod that asks
// another one for its name and is allowed to, and one that is not.
func (p *plan) examples() [][2]string {
	var list [][2]string
	trials := p.trials(p.rules())
	for _, allowed := range []bool{true, false} {
		// The command of an example is curl, which speaks TCP only.
		i := slices.IndexFunc(trials, func(t trial) bool {
			return t.allowed == allowed && t.port.Protocol == ruleset.TCP
		})
		if i >= 0 {
			list = append(list, trials[i].example())
		}
	}
	// There is one: loadPlan refuses manifests without pods.
	first := p.pods[0]
	return append(list,
		[2]string{"exec " + first.Name, "a shell in a pod"},
		[2]string{
			"exec node:" + first.Node + " -- nft list table inet picket", "the rules of a node"},
		[2]string{"down", "end it all"},
	)
}

// example is a command that does what the trial did, and what comes of it.
func (t trial) example() [2]string {
	command := fmt.Sprintf("exec %s -- curl -sm2 telnet://%s",
		t.probe.From, netip.AddrPortFrom(t.probe.Addr, t.port.Number))
	if t.allowed {
		return [2]string{command, t.probe.To + " answers with its name"}
	}
	return [2]string{command, "denied"}
}

// join prints values one behind the other, with spaces between them.
func join[T fmt.Stringer](list []T) string {
	var texts []string
	for _, v := range list {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, " ")
}

// closeStandardStreams replaces them by /dev/null: the program that read them has gone.
func closeStandardStreams() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	// dup3 closes the old stream and puts /dev/null in its place.
	for fd := range 3 {
		err = errors.Join(err, unix.Dup3(int(null.Fd()), fd, 0))
	}
	return err
}
