// Command picket adds NetworkPolicy to clusters whose network plugin has none. As kubectl-picket it
// is the same program.
package main

import (
	"os"

	"github.com/picket-project/picket/cmd/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
