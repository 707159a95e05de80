// Command agent is what the image holds, under the name picket: the agent, and the verbs that answer
// on its node. What people ask for elsewhere (why, lint, diff and others) is in cmd/picket alone, so
// that no node loads it.
package main

import (
	"os"

	"github.com/picket-project/picket/cmd/cli"
)

func main() { os.Exit(cli.NodeMain(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
