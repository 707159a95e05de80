//go:build !linux

package cli

import (
	"github.com/spf13/cobra"

	"github.com/picket-project/picket/ruleset"
)

// nodeVerbs are the verbs that work on a node: none here, since only Linux has nftables.
func nodeVerbs() []*cobra.Command { return nil }

// localVerbs are the other verbs that need Linux: none here.
func localVerbs() []*cobra.Command { return nil }

// kernelFormats are the forms of a program that a backend writes: none here.
func kernelFormats(string) map[string]func(*ruleset.Program) string { return nil }

// nftListing is never asked for: there is no such form here.
func nftListing(*ruleset.Program, []string, bool) string { return "" }

// nftFormats are the forms of -o that nft has: none here.
func nftFormats() []string { return nil }

// checkKernel accepts every version, since nothing here depends on it.
func checkKernel(string) error { return nil }
