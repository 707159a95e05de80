// Command render writes the manifests that are made from others: picket.yaml, and the image in
// cleanup.yaml. It runs in the folder deploy.
package main

import (
	"fmt"
	"os"

	"github.com/picket-project/picket/deploy"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run() error {
	files, err := deploy.Files(".")
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
