//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/picket-project/picket/controller"
	"github.com/picket-project/picket/controller/conntrack"
	"github.com/picket-project/picket/controller/host"
	"github.com/picket-project/picket/controller/source/client"
	"github.com/picket-project/picket/controller/source/cluster"
	"github.com/picket-project/picket/controller/source/folder"
	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
)

// agentOptions are the flags of agent. unknown is what happens to pods of this node that the agent
// does not know yet; addresses says whether a pod may have one outside of all nodes' ranges; own
// has the kernel refuse everybody else's changes of the rules.
type agentOptions struct {
	node, kubeconfig, health, deny string
	manifests                      []string
	unknown, addresses             string
	backend                        string
	own                            bool
	probe                          nft.Prober // what the kernel can do; nil: nft.Probe
	drops                          dropOptions
	log                            logOptions
}

// Validate checks what the flags can be checked for alone.
func (o *agentOptions) Validate() error {
	if o.node == "" {
		return errors.New(
			"--node-name is missing; " +
				"expected the name of this node, here or in the variable NODE_NAME")
	}
	// Standard input can be read once only, and the agent has to see changes.
	if slices.Contains(o.manifests, manifests.Stdin) {
		return errors.New("--manifests -: expected files and folders, which an agent can watch")
	}
	if o.kubeconfig != "" && len(o.manifests) > 0 {
		return errors.New("--kubeconfig and --manifests exclude each other; " +
			"expected one of them, or none inside a cluster")
	}
	if _, err := ruleset.ParseDenial(o.deny); err != nil {
		return fmt.Errorf("--deny: %w", err)
	}
	if o.unknown != "allow" && o.unknown != "deny" {
		return fmt.Errorf("--unknown-pods: %q; expected allow or deny", o.unknown)
	}
	if o.addresses != "ranges" && o.addresses != "any" {
		return fmt.Errorf("--pod-addresses: %q; expected ranges or any", o.addresses)
	}
	if err := validateBackend(o.backend); err != nil {
		return err
	}
	return o.log.Validate()
}

// newAgentCmd is the verb that enforces policies.
func newAgentCmd() *cobra.Command {
	var o agentOptions
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Enforce the network policies for the pods of this node",
		Long: `Enforce the network policies for the pods of this node, until SIGTERM; the rules stay behind.

The state of the cluster comes from its API (--kubeconfig, or by itself inside a pod) or from files
and folders of manifests (--manifests), which are watched; of several statements of one object the
last one counts.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			// The kubelet ends a container by SIGTERM.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.run(ctx, o.log.logger(cmd.ErrOrStderr()))
		},
	}
	cmd.Flags().StringVar(&o.node, "node-name", os.Getenv("NODE_NAME"),
		"name of this node (variable NODE_NAME)")
	cmd.Flags().StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file of the cluster")
	cmd.Flags().StringArrayVarP(&o.manifests, "manifests", "f", nil,
		"file or folder of manifests, instead of a cluster; may be given several times")
	cmd.Flags().StringVar(&o.health, "health-addr", "127.0.0.1:9470",
		"address for /healthz, /readyz and /metrics")
	cmd.Flags().StringVar(&o.deny, "deny", "drop",
		"what happens to a denied packet: drop or reject")
	cmd.Flags().StringVar(&o.unknown, "unknown-pods", "allow",
		"what pods of this node may send and be sent before the agent knows them: allow or deny")
	cmd.Flags().StringVar(&o.addresses, "pod-addresses", "ranges",
		"where addresses of pods come from: "+
			"ranges (spec.podCIDRs of their node, where it has some) or any")
	cmd.Flags().StringVar(&o.backend, "backend", autoBackend,
		"what holds the rules: auto (iptables only where the kernel has no nf_tables), nftables or "+
			"iptables (legacy, with ipset)")
	cmd.Flags().BoolVar(&o.own, "own-table", true,
		"let the kernel refuse everybody else who changes the rules (Linux 6.9 and later)")
	o.drops.bind(cmd.Flags())
	o.log.bind(cmd.Flags())
	return cmd
}

// run connects the parts of the agent, and runs it until ctx ends.
func (o *agentOptions) run(ctx context.Context, log *slog.Logger) error {
	klog.SetSlogLogger(log.With("library", "client-go")) // one format for all of the log
	source, reporter, err := o.source()
	if err != nil {
		return err
	}
	// The source comes first: where it cannot be made, the kernel is not asked for anything.
	backend := o.chooseBackend(ctx)
	connections, err := conntrack.Open()
	if err != nil {
		return errors.Join(err, backend.Close())
	}
	defer connections.Close()
	// Validate has parsed it without an error.
	denial, _ := ruleset.ParseDenial(o.deny)
	// One host says how pods are attached, which addresses there are, and when either changes.
	machine := &host.Host{}
	c := controller.New(controller.Config{
		Node: o.node, Denial: denial,
		DenyUnknown: o.unknown == "deny", AnyAddress: o.addresses == "any",
		Source: source, Reporter: reporter,
		Host: machine, HostWatcher: machine, Addresses: machine, Connections: connections,
		Firewall: backend, Cutter: backend, Guard: backend,
		Features: backend, Flowtables: backend.flowtables, Separator: backend.separator,
		Backend: backend.name, Because: backend.why, Log: log,
		InForce: backend.inForce(log),
	})
	// An address that is in use ends the agent before it changes any rule.
	listener, err := net.Listen("tcp", o.health)
	if err != nil {
		return errors.Join(fmt.Errorf("--health-addr: %w", err), backend.Close())
	}
	// A client that sends no request must not keep its connection for ever.
	server := &http.Server{
		Handler:           c.Health.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() { _ = server.Serve(listener) }()
	// It is the first line of the log: what follows is read with it.
	log.Info("agent started",
		"version", versionText(), "node", o.node, "health", listener.Addr().String(),
		"kernel", kernelRelease(), "lacks", lacks(backend),
		"backend", backend.name, "because", backend.why)
	// Without this socket everything is enforced, and verbs on the node get no answer.
	events, _ := reporter.(deniedWriter) // files take no Events
	denied := o.drops.watch(ctx, c, backend, events)
	answers := &stateServer{node: o.node, backend: backend, controller: c, drops: denied}
	if watched, is := source.(silenceTeller); is { // files are read whole
		answers.silence = watched.Silence
	}
	if err := answers.answerVerbs(ctx, log); err != nil {
		log.Warn("verbs on this node get no answer", "error", err)
	}
	// Run returns at the end of ctx, or if the source cannot go on. Either way the rules stay.
	err = c.Run(ctx)
	log.Info("agent stopped; the rules stay")
	return errors.Join(err, server.Close(), backend.Close())
}

// lacks names what the kernel can't do for the rules, or says why that is not known: the controller
// asks again.
func lacks(kernel controller.FeatureLister) []string {
	list, err := kernel.Features()
	if err != nil {
		return []string{"not known: " + err.Error()}
	}
	missing := []string{}
	for _, f := range list {
		if !f.Here {
			missing = append(missing, f.Name)
		}
	}
	return missing
}

// kernelRelease is the version of the running kernel, as uname says it.
func kernelRelease() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err.Error()
	}
	return unix.ByteSliceToString(name.Release[:])
}

// source returns where the state of the cluster comes from, and what writes Events to it, if
// anything does.
func (o *agentOptions) source() (controller.Source, controller.Reporter, error) {
	if len(o.manifests) > 0 {
		return folder.Source{Paths: o.manifests}, nil, nil
	}
	config, err := o.cluster()
	if err != nil {
		return nil, nil, err
	}
	// Protobuf takes the API server and the agent less work than JSON.
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.UserAgent = "picket/" + versionText()
	config.QPS, config.Burst = 50, 100 // client-go has 5 a second for all requests together
	config.Dial = newAPIDialer().DialContext
	api, err := client.New(config)
	if err != nil {
		return nil, nil, err
	}
	// One source both reads the cluster and writes Events to it.
	source := &cluster.Source{Client: api, Node: o.node}
	return source, source, nil
}

// cluster returns how to reach the API server: as the kubeconfig says, or as a pod of the cluster
// does. A pod finds it in its environment and in the files of its service account.
func (o *agentOptions) cluster() (*rest.Config, error) {
	if o.kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("--kubeconfig: %w", err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("this is no pod of a cluster (%w); "+
			"expected --kubeconfig FILE or --manifests DIR", err)
	}
	return config, nil
}
