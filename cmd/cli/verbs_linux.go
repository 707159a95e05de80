package cli

import (
	"github.com/spf13/cobra"

	"github.com/picket-project/picket/cmd/cli/sandbox"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/nft/iptables"
	"github.com/picket-project/picket/ruleset"
)

// nodeVerbs are the verbs that work on a node: on Linux alone.
func nodeVerbs() []*cobra.Command {
	return []*cobra.Command{newAgentCmd(), newCleanupCmd(), newRelayCmd()}
}

// localVerbs are the other verbs that need Linux, though no node.
func localVerbs() []*cobra.Command { return []*cobra.Command{sandbox.NewCommand()} }

// kernelFormats are the forms of a program that a backend writes, for a version of Linux that
// checkKernel has accepted.
func kernelFormats(kernel string) map[string]func(*ruleset.Program) string {
	features, _ := nft.FeaturesOf(kernel)
	return map[string]func(*ruleset.Program) string{
		"nft":      func(p *ruleset.Program) string { return nft.Script(p, features) },
		"iptables": iptables.Script,
	}
}

// nftListing is a program as nft prints it, of a kernel that can do what the names say; of a part
// there are no base chains.
func nftListing(p *ruleset.Program, can []string, part bool) string {
	if part {
		return nft.ListingOfPart(p)
	}
	return nft.Listing(p, nft.FeaturesNamed(can))
}

// nftFormats are the forms of -o that nft has.
func nftFormats() []string { return []string{nftFormat} }

// checkKernel returns an error if a text is no version of Linux.
func checkKernel(version string) error {
	_, err := nft.FeaturesOf(version)
	return err
}
