// Command image makes a container image of the program without a container engine: one archive that
// containerd, k3s, Docker, Podman and skopeo all read.
//
//	program ──► layer (/picket, /bin/netpol, a link to it, and what it is made of) [and a layer of others' programs]
//	        ──► OCI image ──► archive: OCI layout and docker-archive over the same blobs
//
// For several architectures it is an OCI layout alone: docker-archive holds one.
//
// The same program gives the same bytes, as long as Go's compression stays the same. It runs in the
// folder deploy.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

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
	var from contents
	flags.StringVar(&from.binary, "binary", "../bin/picket",
		"the program, built with CGO_ENABLED=0; ARCH in it stands for the architecture")
	arch := flags.String("arch", "amd64", "what it was built for: "+
		"amd64, arm64 and so on; several with commas between")
	tag := flags.String("tag", "", "name of the image (default: as base/kustomization.yaml says)")
	flags.StringVar(&from.root, "root", "", "folder of which the files and links go into the image, "+
		"too: the programs of the backend iptables, as .ci/image-iptables gathers them")
	flags.StringVar(&from.sbom, "sbom", "", "file that says what the program is made of (SPDX), "+
		"with ARCH as above")
	flags.StringVar(&from.revision, "revision", "", "commit that the program was built from")
	flags.Int64Var(&from.most, "most", 0,
		"how many bytes the compressed layers of one architecture may take together; 0: any")
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
	return makeArchive(from, *arch, *tag, *out)
}

// contents is what an image holds: the program, what that is made of if it is known, and the files
// of a folder, if there is one. It was built from the revision. Compressed it has at most so many
// bytes, if that is not 0.
type contents struct {
	binary, root, sbom, revision string
	most                         int64
}

// of returns the contents for one architecture.
func (c contents) of(arch string) contents {
	c.binary = strings.ReplaceAll(c.binary, "ARCH", arch)
	c.sbom = strings.ReplaceAll(c.sbom, "ARCH", arch)
	return c
}

// makeArchive writes the image of a program, for all architectures that are named.
func makeArchive(from contents, archs, tag, out string) error {
	ref, err := parseTag(tag)
	if err != nil {
		return err
	}
	var images []v1.Image
	for arch := range strings.SplitSeq(archs, ",") {
		one := from.of(arch)
		if err := check(one.binary, arch); err != nil {
			return err
		}
		img, err := newImage(one, arch, ref)
		if err != nil {
			return fmt.Errorf("image of %s: %w", one.binary, err)
		}
		if err := one.fits(img); err != nil {
			return fmt.Errorf("image for %s: %w", arch, err)
		}
		images = append(images, img)
	}
	if err := archive(images, ref, out); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	return nil
}
