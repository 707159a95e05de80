// Command release makes what a release consists of, from programs that are built:
//
//	build/OS_ARCH/picket ─┬► picket_V_OS_ARCH.tar.gz (.zip for windows)   with LICENSE and man pages
//	build/OS_ARCH/agent ──┼► *.spdx.json      of each program: what it is made of
//	base, cleanup.yaml ───┼► picket.yaml, cleanup.yaml      that name the image of this version
//	CHANGELOG.md ─────────┼► release-notes.md
//	                      └► krew-picket.yaml      the plugin of kubectl
//	all of it ─────────────► SHA256SUMS
//
// .ci/release calls it, and makes the image, the chart's package and the man pages by the other
// commands here. The same programs give the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is what a release is made of and for.
type release struct {
	version string // v0.1.0
	build   string // folder of the programs
	man     string // folder of the man pages
	root    string // of the repository
	out     string
	created time.Time // of the commit: the only time that appears in what is made
}

// versionForm is a version as Go and Helm read it.
var versionForm = regexp.MustCompile(
	`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

func (r release) validate() error {
	if !versionForm.MatchString(r.version) {
		return fmt.Errorf("-version %q; expected one such as v0.1.0 or v0.1.0-rc.1", r.version)
	}
	return nil
}

func run(args []string) error {
	r := release{}
	flags := flag.NewFlagSet("release", flag.ExitOnError)
	flags.StringVar(&r.version, "version", "", "version, such as v0.1.0")
	flags.StringVar(&r.build, "build", "../bin/release/build", "folder of the programs")
	flags.StringVar(&r.man, "man", "../bin/release/man", "folder of the man pages")
	flags.StringVar(&r.root, "root", "..", "folder of the repository")
	flags.StringVar(&r.out, "o", "../bin/release/out", "folder to write to")
	created := flags.Int64("created", 0, "time of the commit, in seconds since 1970")
	sums := flags.Bool("sums", false, "only write SHA256SUMS, of what the folder holds by now")
	_ = flags.Parse(args) // ends the program by itself
	if *sums {
		return writeSums(r.out)
	}
	r.created = time.Unix(*created, 0).UTC()
	if err := r.validate(); err != nil {
		return err
	}
	return r.write()
}

// write makes everything but the sums.
func (r release) write() error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	platforms, err := r.platforms()
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range platforms {
		errs = append(errs, r.writePlatform(p))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return errors.Join(r.writeManifests(), r.writeNotes(), r.writeKrew(platforms))
}

// platforms lists what programs were built for.
func (r release) platforms() (all []platform, err error) {
	folders, err := filepath.Glob(filepath.Join(r.build, "*_*"))
	if err == nil && len(folders) == 0 {
		err = fmt.Errorf("-build %s holds no program; expected OS_ARCH/picket", r.build)
	}
	for _, folder := range folders {
		all = append(all, newPlatform(folder))
	}
	return all, err
}

// writePlatform makes the archive of the command line, and says what each program is made of.
func (r release) writePlatform(p platform) error {
	if err := r.writeArchive(p); err != nil {
		return err
	}
	for program, name := range map[string]string{p.program(): "picket", "agent": "picket-agent"} {
		path := filepath.Join(p.folder, program)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && program == "agent" {
			continue // only Linux has nodes
		}
		text, err := r.sbom(path, name)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		file := fmt.Sprintf("%s_%s_%s.spdx.json", name, r.version, p)
		if err := os.WriteFile(filepath.Join(r.out, file), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
