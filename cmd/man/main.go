// Command man writes the man pages of the command line, one of each verb. It is no part of the
// program, which would carry what makes the pages.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra/doc"

	"github.com/picket-project/picket/cmd/cli"
)

func main() {
	out := flag.String("o", "man", "folder to write to")
	version := flag.String("version", "", "version, such as v0.1.0")
	created := flag.Int64("created", 0, "time of the commit, in seconds since 1970")
	flag.Parse()
	if err := write(*out, *version, time.Unix(*created, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

// write makes the pages, which bear the version and one date.
func write(folder, version string, date time.Time) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root := cli.Commands()
	root.DisableAutoGenTag = true // it would state today's date
	header := &doc.GenManHeader{Section: "1", Source: "Picket " + version, Manual: "Picket",
		Date: &date}
	return doc.GenManTree(root, header, folder)
}
