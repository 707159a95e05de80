// Command image makes a container image of the program without a container engine: one archive that
// containerd, k3s, Docker, Podman and skopeo all read.
//
//	program ──► layer (one file, /picket) [and a layer of others' programs] ──► OCI image ──► archive: OCI layout and docker-archive over the same blobs
//
// The same program gives the same bytes, as long as Go's compression stays the same. It runs in the
// folder deploy.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/picket-project/picket/deploy"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("image", flag.ExitOnError)
	binary := flags.String("binary", "../bin/picket", "the program, built with CGO_ENABLED=0")
	arch := flags.String("arch", "amd64", "what it was built for: amd64 or arm64")
	tag := flags.String("tag", "", "name of the image (default: as base/kustomization.yaml says)")
	root := flags.String("root", "", "folder of which the files and links go into the image, too: "+
		"the programs of the backend iptables, as .ci/image-iptables gathers them")
	out := flags.String("o", "", "archive to write (default picket-ARCH.tar)")
	_ = flags.Parse(args) // ends the program by itself
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *tag == "" {
		var err error
		if *tag, err = deploy.Image("."); err != nil {
			return err
		}
	}
	if *out == "" {
		*out = "picket-" + *arch + ".tar"
	}
	return makeArchive(contents{*binary, *root}, *arch, *tag, *out)
}

// contents is what an image holds: the program, and the files of a folder, if there is one.
type contents struct{ binary, root string }

// makeArchive writes the image of a program.
func makeArchive(from contents, arch, tag, out string) error {
	ref, err := parseTag(tag)
	if err != nil {
		return err
	}
	if err := check(from.binary, arch); err != nil {
		return err
	}
	img, err := newImage(from, arch, ref)
	if err != nil {
		return fmt.Errorf("image of %s: %w", from.binary, err)
	}
	if err := archive(img, ref, out); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	return nil
}
