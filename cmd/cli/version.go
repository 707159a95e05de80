package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker (-X). A build without it says what Go knows of the module.
var version = ""

// versionText is the version of this program, for people and for the API server.
func versionText() string {
	if version != "" {
		return version
	}
	// "go install" and "go build" write down the version of the module.
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// newVersionCmd is the verb that prints the version, that of Go, and the platform of the build.
func newVersionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

// versionLine is what the verb prints, and --version.
func versionLine() string {
	return fmt.Sprintf("picket %s %s %s/%s\n",
		versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
