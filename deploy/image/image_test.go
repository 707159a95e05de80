package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const tag = "registry.example/team/picket:v1.2.3"

// program writes the head of a program, which is all that is looked at, and something to recognise
// it by.
func program(t *testing.T, machine elf.Machine, segment elf.ProgType) string {
	t.Helper()
	var text bytes.Buffer
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB),
			byte(elf.EV_CURRENT)},
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64,
	}
	for _, part := range []any{header, elf.Prog64{Type: uint32(segment)}, []byte("a program")} {
		if err := binary.Write(&text, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return file(t, text.Bytes())
}

func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	// neither executable nor readable for all: the image's is
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// build makes an archive and returns its path.
func build(t *testing.T, path, arch string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.tar")
	if err := makeArchive(contents{binary: path}, arch, tag, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// An image that is larger than it may be is refused, with the sizes.
func TestSizeOfAnImage(t *testing.T) {
	from := contents{binary: program(t, machines["amd64"], elf.PT_LOAD), most: 10_000}
	out := filepath.Join(t.TempDir(), "out.tar")
	if err := makeArchive(from, "amd64", tag, out); err != nil {
		t.Fatal(err)
	}
	from.most = 10
	err := makeArchive(from, "amd64", tag, out)
	if err == nil || !strings.Contains(err.Error(), "bytes compressed; expected at most 10") {
		t.Errorf("%v", err)
	}
}

// TestImage reads both kinds of archive back, for both architectures.
func TestImage(t *testing.T) {
	for arch, machine := range machines {
		path := program(t, machine, elf.PT_LOAD)
		out := build(t, path, arch)
		for kind, open := range map[string]func(*testing.T, string) v1.Image{"OCI": openOCI,
			"docker-archive": openDocker} {
			t.Run(arch+" "+kind, func(t *testing.T) {
				img := open(t, out)
				if err := validate.Image(img); err != nil {
					t.Error(err)
				}
				testConfig(t, img, arch)
				testContent(t, img, path)
			})
		}
	}
}

// openDocker reads manifest.json, as docker load does.
func openDocker(t *testing.T, archive string) v1.Image {
	t.Helper()
	ref, err := name.NewTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(archive, &ref)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// openOCI reads index.json, as containerd does, and looks at what names the image there.
func openOCI(t *testing.T, archive string) v1.Image {
	t.Helper()
	index, err := layout.ImageIndexFromPath(unpack(t, archive))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%v, %+v; expected one image", err, manifest)
	}
	entry := manifest.Manifests[0]
	want := map[string]string{"org.opencontainers.image.ref.name": "v1.2.3",
		"io.containerd.image.name": tag}
	if diff := cmp.Diff(want, entry.Annotations); diff != "" {
		t.Error(diff)
	}
	if entry.MediaType != types.OCIManifestSchema1 || entry.Platform == nil ||
		entry.Platform.OS != "linux" {
		t.Errorf("media type %s, platform %v", entry.MediaType, entry.Platform)
	}
	img, err := index.Image(entry.Digest)
	if err != nil {
		t.Fatal(err)
	}
	testTypes(t, img)
	return img
}

// testTypes: nothing in an OCI image is called by Docker's names.
func testTypes(t *testing.T, img v1.Image) {
	t.Helper()
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	got := []types.MediaType{manifest.MediaType, manifest.Config.MediaType,
		manifest.Layers[0].MediaType}
	if diff := cmp.Diff([]types.MediaType{types.OCIManifestSchema1, types.OCIConfigJSON,
		types.OCILayer}, got); diff != "" {
		t.Error(diff)
	}
}

func testConfig(t *testing.T, img v1.Image, arch string) {
	t.Helper()
	got, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		Entrypoint: []string{"/picket"}, Env: []string{"PATH=/"}, User: "0", WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":         "picket",
			"org.opencontainers.image.description":   "NetworkPolicy for clusters whose network plugin has none",
			"org.opencontainers.image.source":        "https://github.com/picket-project/picket",
			"org.opencontainers.image.documentation": "https://github.com/picket-project/picket/blob/main/deploy/README.md",
			"org.opencontainers.image.licenses":      "Apache-2.0",
			"org.opencontainers.image.version":       "v1.2.3",
		},
	}
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Error(diff)
	}
	if got.OS != "linux" || got.Architecture != arch || got.Created.Unix() != 0 ||
		len(got.History) != 1 {
		t.Errorf("%s/%s, created %s, history %v", got.OS, got.Architecture, got.Created,
			got.History)
	}
}

// TestContainerfileSaysTheSame: the image that an engine builds runs the program in the same way.
func TestContainerfileSaysTheSame(t *testing.T) {
	text, err := os.ReadFile("../Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	ref, err := parseTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	config := runConfig(ref)
	want := []string{
		fmt.Sprintf("ENTRYPOINT [%q]\n", config.Entrypoint[0]), "\nENV " + config.Env[0] + "\n",
		"\nUSER " + config.User + "\n", "\nWORKDIR " + config.WorkingDir + "\n",
	}
	for label, value := range config.Labels {
		want = append(want, fmt.Sprintf("%s=%q", label, strings.Replace(value, "v1.2.3", "$VERSION",
			1)))
	}
	for _, line := range want {
		if !strings.Contains(string(text), line) {
			t.Errorf("Containerfile has no %q", line)
		}
	}
}

// testContent: one layer with one file, which is the program, and a link to it.
func testContent(t *testing.T, img v1.Image, path string) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v; expected one", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{fmt.Sprintf("picket -rwxr-xr-x 0:0 at 0: %q", want),
		`bin/ drwxr-xr-x 0:0 at 0: ""`, `bin/netpol→../picket Lrwxr-xr-x 0:0 at 0: ""`}
	if diff := cmp.Diff(lines, list(t, content)); diff != "" {
		t.Error(diff)
	}
}

// TestReproducible: the same program in another file, made at another time, gives the same bytes.
func TestReproducible(t *testing.T) {
	content, err := os.ReadFile(build(t, program(t, elf.EM_X86_64, elf.PT_LOAD), "amd64"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(build(t, program(t, elf.EM_X86_64, elf.PT_LOAD), "amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content, again) {
		t.Error("two archives of the same program differ")
	}
	for _, line := range list(t, bytes.NewReader(content)) {
		if !strings.Contains(line, " -rw-r--r-- 0:0 at 0: ") {
			t.Errorf("%s; expected a file of root's without a time", line)
		}
	}
}

// TestWrongInput: each error names what was given and what was expected, and no archive is left.
func TestWrongInput(t *testing.T) {
	good := program(t, elf.EM_X86_64, elf.PT_LOAD)
	for _, c := range []struct{ binary, arch, tag, want string }{
		{"/nowhere/picket", "amd64", tag, "open /nowhere/picket: no such file or directory; " +
			"expected a program for linux/amd64"},
		{t.TempDir(), "amd64", tag, "is a directory; expected a program for linux/amd64"},
		{file(t, []byte("#!/bin/sh\nexit 0\n")), "amd64", tag,
			"expected a program for linux/amd64"},
		{file(t, nil), "amd64", tag, "expected a program for linux/amd64"},
		{good, "arm64", tag, "is for EM_X86_64; expected EM_AARCH64"},
		{good, "mips", tag, `-arch "mips"; expected one of amd64, arm64, `},
		{program(t, elf.EM_AARCH64, elf.PT_INTERP), "arm64", tag,
			"expected one built with CGO_ENABLED=0"},
		{good, "amd64", "picket", `-tag "picket"`},
		{good, "amd64", "registry.example/picket", "expected REGISTRY/NAME:TAG"},
		{good, "amd64", "picket:v1", "expected REGISTRY/NAME:TAG"},
		{good, "amd64", "registry.example/Picket:v1", "expected REGISTRY/NAME:TAG"},
	} {
		out := filepath.Join(t.TempDir(), "out.tar")
		err := makeArchive(contents{binary: c.binary}, c.arch, c.tag, out)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s as %s: %v; expected %q", c.binary, c.arch, c.tag, err, c.want)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s for %s as %s left an archive (%v)", c.binary, c.arch, c.tag, err)
		}
	}
	if err := makeArchive(contents{binary: good}, "amd64", tag, "/nowhere/out.tar"); err == nil ||
		!strings.Contains(err.Error(), "/nowhere/out.tar") {
		t.Errorf("an archive that cannot be written: %v", err)
	}
}

// An image with others' programs holds them beside the agent, under the names that they have in the
// folder.
func TestImageWithPrograms(t *testing.T) {
	root := t.TempDir()
	for _, step := range []error{
		os.MkdirAll(filepath.Join(root, "usr", "sbin"), 0o700),
		os.WriteFile(filepath.Join(root, "usr", "sbin", "multi"), []byte("programs"), 0o600),
		os.Symlink("multi", filepath.Join(root, "usr", "sbin", "iptables-legacy")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	out := filepath.Join(t.TempDir(), "out.tar")
	path := program(t, machines["amd64"], elf.PT_LOAD)
	if err := makeArchive(contents{binary: path, root: root}, "amd64", tag, out); err != nil {
		t.Fatal(err)
	}
	img := openDocker(t, out)
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	files := tar.NewReader(mutate.Extract(img))
	var names []string
	for header, err := files.Next(); err == nil; header, err = files.Next() {
		names = append(names, fmt.Sprintf("%s %o %s", header.Name, header.Mode, header.Linkname))
	}
	slices.Sort(names)
	want := []string{"bin 755 ", "bin/netpol 755 ../picket", "picket 755 ", "usr 755 ", "usr/sbin 755 ", "usr/sbin/iptables-legacy 755 multi",
		"usr/sbin/multi 755 "}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

// An image for several architectures is one index, with an image for each, which has its program
// and what that is made of.
func TestImageForManyArchitectures(t *testing.T) {
	dir := t.TempDir()
	archs := slices.Sorted(maps.Keys(machines))
	for _, arch := range archs {
		for name, path := range map[string]string{"agent-": program(t, machines[arch], elf.PT_LOAD),
			"spdx-": file(t, []byte("parts of "+arch))} {
			if err := os.Rename(path, filepath.Join(dir, name+arch)); err != nil {
				t.Fatal(err)
			}
		}
	}
	out := filepath.Join(dir, "out.tar")
	from := contents{binary: dir + "/agent-ARCH", sbom: dir + "/spdx-ARCH", revision: "abc"}
	if err := makeArchive(from, strings.Join(archs, ","), tag, out); err != nil {
		t.Fatal(err)
	}
	index := openIndex(t, unpack(t, out))
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range manifest.Manifests {
		img, err := index.Image(entry.Digest)
		if err != nil {
			t.Fatal(err)
		}
		p := entry.Platform
		if p.Architecture != archs[i] || p.OS != "linux" {
			t.Errorf("image %d is for %s; expected %s", i, p, archs[i])
		}
		if config, err := img.ConfigFile(); err != nil ||
			config.Config.Labels["org.opencontainers.image.revision"] != "abc" {
			t.Errorf("%s: %v, %v", p, err, config.Config.Labels)
		}
		testSBOM(t, img, "parts of "+archs[i])
	}
	if len(manifest.Manifests) != len(archs) {
		t.Errorf("%d images; expected %d", len(manifest.Manifests), len(archs))
	}
}

// openIndex reads the one index that a layout names.
func openIndex(t *testing.T, dir string) v1.ImageIndex {
	t.Helper()
	layouts, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	top, err := layouts.IndexManifest()
	if err != nil || len(top.Manifests) != 1 ||
		top.Manifests[0].Annotations["io.containerd.image.name"] != tag {
		t.Fatalf("%v, %+v; expected one index named %s", err, top, tag)
	}
	index, err := layouts.ImageIndex(top.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	return index
}

// testSBOM: the image holds the file that scanners look for.
func testSBOM(t *testing.T, img v1.Image, want string) {
	t.Helper()
	extracted := mutate.Extract(img)
	defer extracted.Close()
	line := fmt.Sprintf("picket.spdx.json -rw-r--r-- 0:0 at 0: %q", want)
	if lines := list(t, extracted); !slices.Contains(lines, line) {
		t.Errorf("expected %s in %q", line, lines)
	}
}

// A release has an image for each architecture that there are images for.
func TestReleaseHasAllArchitectures(t *testing.T) {
	text, err := os.ReadFile("../../.ci/release")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`\blinux_([a-z0-9]+)`).FindAllSubmatch(text, -1) {
		got = append(got, string(m[1]))
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(machines)), got); diff != "" {
		t.Error(diff)
	}
}
