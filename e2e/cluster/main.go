package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/e2e/launch"
)

func main() {
	launch.Main("cluster", func(ctx context.Context, _ []string) error {
		return newRootCmd().ExecuteContext(ctx)
	})
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use: "cluster", Short: "A real Kubernetes cluster on this machine, for tests",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(newBuildCmd(), newUpCmd(), newDownCmd(), newExecCmd(), newLoadCmd(),
		newNodeCmd())
	return root
}

func newBuildCmd() *cobra.Command {
	var server bool
	cmd := &cobra.Command{
		Use: "build", Args: cobra.NoArgs,
		Short: "Build what the cluster runs, from the Go module proxy (15 minutes the first time)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return build(cmd.Context(), newHome(), server)
		},
	}
	cmd.Flags().BoolVar(&server, "api-server", false, "kube-apiserver and etcd alone")
	return cmd
}

func newUpCmd() *cobra.Command {
	var v variant
	cmd := &cobra.Command{
		Use: "up", Short: "Start the cluster and wait until its nodes are ready",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := v.Validate(); err != nil {
				return err
			}
			return up(cmd.Context(), newHome(), v)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&v.Backend, "flannel", "host-gw", "flannel's backend: host-gw or vxlan")
	flags.StringVar(&v.Proxy, "kube-proxy", "nftables", "kube-proxy's mode: nftables or iptables")
	flags.StringVar(&v.Families, "families", ipv4,
		"address families: "+ipv4+", "+ipv4ipv6+" or "+ipv6ipv4)
	flags.StringVar(&v.Containerd, "containerd", built,
		"containerd, runc and CNI plugins: "+built+" as versions.env says, or "+debian+"'s")
	flags.IntVar(&v.Nodes, "nodes", 3, "number of nodes")
	return cmd
}

func newDownCmd() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Stop the cluster and remove what it left", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return down(newHome()) },
	}
}

func newExecCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec HOST PROGRAM [ARG...]",
		Short: "Run a program on a host of the cluster: control, n1, n2, …",
		Long: `Run a program on a host of the cluster: control, n1, n2, …

It finds kubectl and the other programs of the cluster in its PATH, the cluster in KUBECONFIG, and
the name of the image of Kubernetes' tests in AGNHOST_IMAGE.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return enter(newHome(), args[0], args[1:])
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func newLoadCmd() *cobra.Command {
	return &cobra.Command{
		Use: "load ARCHIVE", Short: "Import an image into the containerd of every node",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return load(cmd.Context(), newHome(), args[0])
		},
	}
}

// newNodeCmd is the first process of a node; up starts it.
func newNodeCmd() *cobra.Command {
	return &cobra.Command{
		Use: "node NAME", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return runNode(newHome(), args[0]) },
	}
}
