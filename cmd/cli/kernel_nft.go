package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/exit"
	"github.com/picket-project/picket/cmd/inspect/agent"
)

// nftFormat is the form in which nft prints rules.
const nftFormat = "nft"

// aboutNft is what both forms of the verb say of it.
const aboutNft = `
  -o nft   on Linux: the rules as "nft -s list table inet picket" prints them (without what counters
           have counted), of POD only its own; where the kernel holds anything else than what its
           agent wants, only nft on the node can print it, and the answer is what differs
`

// errWhichNode refuses several tables in one text.
var errWhichNode = errors.New("-o nft: each node has a table of its own; expected POD or --node")

// printNft prints what a node's kernel holds as nft does: all, or what is of one pod.
func (o *kernelOptions) printNft(out, stderr io.Writer, s *agent.State, pods []string) error {
	if err := listable(s); err != nil {
		return fmt.Errorf("-o nft: %w", err)
	}
	// The agent tells digests, not rules: only of what is as it should be the text is known.
	if differ := s.DifferenceLines(shownMissing); len(differ) > 0 {
		tellError(stderr, fmt.Errorf("the kernel of %s does not hold what it should; on the node: nft "+
			"list table inet picket\n  %s", s.Node, strings.Join(differ, "\n  ")))
		return exit.Code(1)
	}
	program := s.Program
	if len(pods) > 0 {
		program = s.ProgramOf(pods[0])
	}
	text := nftListing(program, s.Can, len(pods) > 0)
	// No name that an agent gives needs an escape, and nft knows none.
	if strings.Contains(text, `\`) {
		return fmt.Errorf("-o nft: the agent of %s has comments that nft cannot read", s.Node)
	}
	_, err := io.WriteString(out, text)
	return err
}

// listable returns an error if the rules of a node cannot be written as nft does.
func listable(s *agent.State) error {
	switch s.Backend {
	case "nftables":
	case "":
		return fmt.Errorf("the agent of %s is of version %s and does not say what holds its rules; "+
			"expected one of version %s; on the node: nft list table inet picket", s.Node, s.Version,
			versionText())
	default:
		return fmt.Errorf("the rules of %s are held by %s; on the node: iptables-legacy-save, ipset save",
			s.Node, s.Backend)
	}
	if err := agent.CheckNames(s.Program); err != nil {
		return fmt.Errorf("the agent of %s: %w", s.Node, err)
	}
	return nil
}

// answerOf prints the answer of one node's agent in the form of -o.
func (o *kernelOptions) answerOf(cmd *cobra.Command, s *agent.State, pods []string) error {
	if o.output == nftFormat {
		return o.printNft(cmd.OutOrStdout(), cmd.ErrOrStderr(), s, pods)
	}
	return o.answer(cmd, newKernelReport(s, pods), len(pods) > 0)
}
