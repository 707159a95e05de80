package sandbox_test

import (
	"os"
	"testing"

	"github.com/picket-project/picket/cmd/cli"
	"github.com/picket-project/picket/cmd/cli/sandbox"
)

func TestMain(m *testing.M) {
	role, args := os.Getenv(sandbox.Role), os.Args[1:]
	switch {
	case role == "":
		os.Exit(m.Run())
	case role == "liar" && args[0] == "sandbox":
		os.Exit(sandbox.Lie(args))
	default:
		os.Exit(cli.Main(args, os.Stdin, os.Stdout, os.Stderr))
	}
}
