package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/input"
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// renderOptions are the flags of render. links are the interfaces that the pods of the node sit
// behind, which manifests do not state.
type renderOptions struct {
	input.Flags
	node, deny, output, kernel string
	links                      []string
}

// Validate checks what the flags can be checked for alone.
func (o *renderOptions) Validate() error {
	if o.node == "" {
		return fmt.Errorf("--node-name is missing; expected the node whose ruleset to print")
	}
	if _, known := renderFormats("")[o.output]; !known {
		return fmt.Errorf("-o %q: expected %s", o.output, orList(renderNames()))
	}
	if _, err := ruleset.ParseDenial(o.deny); err != nil {
		return fmt.Errorf("--deny: %w", err)
	}
	if err := checkKernel(o.kernel); err != nil {
		return fmt.Errorf("--kernel %w", err)
	}
	return nil
}

// renderFormats are the forms that a program can be printed in, by the value of -o.
func renderFormats(kernel string) map[string]func(*ruleset.Program) string {
	formats := map[string]func(*ruleset.Program) string{"program": (*ruleset.Program).String}
	maps.Copy(formats, kernelFormats(kernel))
	return formats
}

// renderNames lists the values of -o, the usual one first.
func renderNames() (names []string) {
	known := renderFormats("")
	for _, name := range []string{"nft", "iptables", "program"} {
		if known[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

// newRenderCmd is the verb that prints the rules of one node.
func newRenderCmd() *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render --manifests DIR|FILE|-... --node-name NODE",
		Short: "Print the ruleset that the agent would program, offline",
		Long: `Print the ruleset that the agent of one node would program for the manifests, without touching the kernel.

  -o nft       text for "nft -f"; after loading it "nft list table inet picket" shows what it shows under the agent
  -o iptables  the texts for "ipset restore" and "iptables-legacy-restore --noflush" of a kernel without nf_tables
  -o program   the same in Picket's own, shorter form`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.Flags.Bind(cmd.Flags())
	cmd.Flags().StringVar(&o.node, "node-name", "", "node whose ruleset to print")
	cmd.Flags().StringVar(&o.deny, "deny", "drop",
		"what happens to a denied packet: drop or reject")
	cmd.Flags().StringSliceVar(&o.links, "pod-links", []string{"cni0"},
		"interfaces of the node that its pods sit behind (the agent finds them by itself)")
	cmd.Flags().StringVar(&o.kernel, "kernel", "7.0",
		"version of Linux that -o nft is for; before 5.17 some rules stand elsewhere")
	cmd.Flags().StringVarP(&o.output, "output", "o", renderNames()[0],
		orList(renderNames()))
	return cmd
}

// run compiles the program of one node as its agent would, and prints it in the form of -o.
func (o *renderOptions) run(cmd *cobra.Command) error {
	if err := o.Validate(); err != nil {
		return err
	}
	objects, err := o.LoadComplete(cmd)
	if err != nil {
		return err
	}
	// What is wrong with the manifests has been told on stderr by now.
	if err := checkNode(objects, o.node); err != nil {
		return err
	}
	// Validate has parsed it without an error.
	denial, _ := ruleset.ParseDenial(o.deny)
	// No kernel is asked, so the interfaces are those of the flag.
	program := inspect.ProgramOf(objects, o.node, inspect.Settings{Denial: denial, Links: o.links,
		NoPortMaps: o.output == "iptables"})
	_, err = fmt.Fprint(cmd.OutOrStdout(), renderFormats(o.kernel)[o.output](program))
	return err
}

// checkNode demands that the manifests name the node, and says which ones they name.
func checkNode(o policy.Objects, node string) error {
	known := inspect.NodeNames(o)
	if slices.Contains(known, node) {
		return nil
	}
	// Pods without spec.nodeName are on a node whose name is empty.
	known = slices.DeleteFunc(known, func(name string) bool { return name == "" })
	if len(known) == 0 {
		return fmt.Errorf("--node-name %q: the manifests name no node; "+
			"expected a Node, or a Pod with spec.nodeName", node)
	}
	// A wrong name would give an empty ruleset, which looks like a good one.
	return fmt.Errorf("--node-name %q: no node and no pod of the manifests has this name; "+
		"they have: %s", node, strings.Join(known, ", "))
}
