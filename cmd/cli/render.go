package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
)

// renderOptions are the flags of render.
type renderOptions struct {
	inputFlags
	node, deny, output string
	links              []string
}

// Validate checks what the flags can be checked for alone.
func (o *renderOptions) Validate() error {
	if o.node == "" {
		return fmt.Errorf("--node-name is missing; expected the node whose ruleset to print")
	}
	if _, known := renderFormats[o.output]; !known {
		return fmt.Errorf("-o %q: expected nft or program", o.output)
	}
	if _, err := ruleset.ParseDenial(o.deny); err != nil {
		return fmt.Errorf("--deny: %w", err)
	}
	return nil
}

var renderFormats = map[string]func(*ruleset.Program) string{
	"nft":     nft.Script,
	"program": (*ruleset.Program).String,
}

func newRenderCmd() *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render --manifests DIR|FILE|-... --node-name NODE",
		Short: "Print the ruleset that the agent would program, offline",
		Long: `Print the ruleset that the agent of one node would program for the manifests, without touching the kernel.

  -o nft       text for "nft -f"; after loading it "nft list table inet picket" shows what it shows under the agent
  -o program   the same in Picket's own, shorter form`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.inputFlags.bind(cmd.Flags())
	cmd.Flags().StringVar(&o.node, "node-name", "", "node whose ruleset to print")
	cmd.Flags().StringVar(&o.deny, "deny", "drop", "what happens to a denied packet: drop or reject")
	cmd.Flags().StringSliceVar(&o.links, "pod-links", []string{"cni0"}, "interfaces of the node that its pods sit behind (the agent finds them by itself)")
	cmd.Flags().StringVarP(&o.output, "output", "o", "nft", "nft or program")
	return cmd
}

func (o *renderOptions) run(cmd *cobra.Command) error {
	if err := o.Validate(); err != nil {
		return err
	}
	objects, err := o.loadComplete(cmd)
	if err != nil {
		return err
	}
	if err := checkNode(objects, o.node); err != nil {
		return err
	}
	snapshot := compile.SnapshotOf(objects, o.node)
	snapshot.Links = placed(snapshot, o.links)
	snapshot.Denial, _ = ruleset.ParseDenial(o.deny)
	program, _ := compile.Compile(snapshot)
	_, err = fmt.Fprint(cmd.OutOrStdout(), renderFormats[o.output](program))
	return err
}

// placed puts all pods of the node behind the interface, if there is just one.
func placed(s compile.Snapshot, names []string) []ruleset.Link {
	var links []ruleset.Link
	for _, name := range names {
		links = append(links, ruleset.Link{Name: name})
	}
	if len(links) != 1 {
		return links
	}
	for _, p := range s.Pods {
		if p.Node == s.Node {
			links[0].Addrs = append(links[0].Addrs, p.Addrs...)
		}
	}
	return links
}
