package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	spdxjson "github.com/spdx/tools-golang/json"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/deploy/tarfile/tartest"
)

// built is a program as Go's linker makes it.
var built = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "picket-release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", dir+"/program",
		"./testdata/program")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(dir + "/program")
})

// made is a release of three platforms.
func made(t *testing.T) release {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := release{version: "v1.2.3", build: dir + "/build", man: dir + "/man", root: "../..",
		out: dir + "/out", created: time.Unix(1_700_000_000, 0).UTC()}
	for path, content := range map[string][]byte{
		"build/linux_arm64/picket": program, "build/linux_arm64/agent": program,
		"build/darwin_arm64/picket": program, "build/windows_amd64/picket.exe": program,
		"man/picket.1": []byte("page"), "man/picket-why.1": []byte("page of why"),
	} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755),
			os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.write(), writeSums(r.out)); err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t *testing.T, r release, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.out, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// All files are there, and their digests are as sha256sum sees them.
func TestFilesOfARelease(t *testing.T) {
	r := made(t)
	var names []string
	entries, err := os.ReadDir(r.out)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	want := []string{"SHA256SUMS", "cleanup.yaml", "krew-picket.yaml",
		"picket-agent_v1.2.3_linux_arm64.spdx.json", "picket.yaml",
		"picket_v1.2.3_darwin_arm64.spdx.json", "picket_v1.2.3_darwin_arm64.tar.gz",
		"picket_v1.2.3_linux_arm64.spdx.json", "picket_v1.2.3_linux_arm64.tar.gz",
		"picket_v1.2.3_windows_amd64.spdx.json", "picket_v1.2.3_windows_amd64.zip",
		"release-notes.md"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = r.out
	if out, err := check.CombinedOutput(); err != nil || bytes.Count(out, []byte(": OK\n")) !=
		len(want)-1 {
		t.Errorf("%v\n%s", err, out)
	}
}

// Two releases of the same programs are the same.
func TestReleaseIsReproducible(t *testing.T) {
	a, b := read(t, made(t), "SHA256SUMS"), read(t, made(t), "SHA256SUMS")
	if diff := cmp.Diff(string(a), string(b)); diff != "" {
		t.Error(diff)
	}
}

// The archives hold the program, the license and, but for Windows, the man pages.
func TestArchives(t *testing.T) {
	r := made(t)
	got := tarred(t, read(t, r, "picket_v1.2.3_linux_arm64.tar.gz"))
	want := []string{"picket 755", "LICENSE 644", "man/man1/picket-why.1 644",
		"man/man1/picket.1 644"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text := read(t, r, "picket_v1.2.3_windows_amd64.zip")
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, f := range z.File {
		got = append(got, fmt.Sprintf("%s %o", f.Name, f.Mode().Perm()))
	}
	if diff := cmp.Diff([]string{"picket.exe 755", "LICENSE 644"}, got); diff != "" {
		t.Error(diff)
	}
}

// tarred lists the files of a packed tar, which all are of the time of the commit.
func tarred(t *testing.T, text []byte) (names []string) {
	t.Helper()
	unpacked, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	tartest.Entries(t, unpacked, func(h *tar.Header, _ []byte) {
		if h.ModTime.Unix() != 1_700_000_000 || h.Uid != 0 {
			t.Fatalf("%+v", h)
		}
		names = append(names, fmt.Sprintf("%s %o", h.Name, h.Mode))
	})
	return names
}

// The list of parts is valid SPDX, and has the modules that are linked, under the names that
// scanners look up.
func TestSBOM(t *testing.T) {
	r := made(t)
	doc, err := spdxjson.Read(bytes.NewReader(read(t, r, "picket-agent_v1.2.3_linux_arm64.spdx.json")))
	if err != nil {
		t.Fatal(err)
	}
	if doc.SPDXVersion != "SPDX-2.3" || doc.CreationInfo.Created != "2023-11-14T22:13:20Z" ||
		doc.DocumentName != "picket-agent-v1.2.3" || doc.DocumentNamespace == "" {
		t.Errorf("%+v, %+v", doc, doc.CreationInfo)
	}
	stdlib := regexp.MustCompile(`^pkg:golang/stdlib@1\.\d+`)
	var names []string
	for _, p := range doc.Packages {
		names = append(names, p.PackageName)
		for _, ref := range p.PackageExternalReferences {
			if ref.Locator != "pkg:golang/"+p.PackageName+"@"+p.PackageVersion {
				t.Errorf("%s: %s", p.PackageName, ref.Locator)
			}
			if p.PackageName == "stdlib" && !stdlib.MatchString(ref.Locator) {
				t.Errorf("%s; expected a version without go", ref.Locator)
			}
		}
	}
	for _, name := range []string{"picket-agent", "stdlib", "github.com/google/go-cmp"} {
		if !slices.Contains(names, name) {
			t.Errorf("no package %s in %q", name, names)
		}
	}
	if len(doc.Relationships) != len(doc.Packages) {
		t.Errorf("%d relations of %d packages; expected one of each", len(doc.Relationships),
			len(doc.Packages))
	}
	for i, r := range doc.Relationships {
		want := "STATIC_LINK"
		if i == 0 {
			want = "DESCRIBES"
		}
		if r.Relationship != want {
			t.Errorf("%v %s %v; expected %s", r.RefA, r.Relationship, r.RefB, want)
		}
	}
}

// The manifests name the image of the release, and nothing of the one before.
func TestManifestsOfARelease(t *testing.T) {
	r := made(t)
	for _, name := range []string{"picket.yaml", "cleanup.yaml"} {
		text := string(read(t, r, name))
		if strings.Count(text, "image: ghcr.io/picket-project/picket:v1.2.3\n") != 1 ||
			strings.Count(text, "picket-project/picket:") != 1 {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// The plugin's manifest names each archive with its digest and its platform.
func TestKrew(t *testing.T) {
	r := made(t)
	var p krewPlugin
	if err := yaml.UnmarshalStrict(read(t, r, "krew-picket.yaml"), &p); err != nil {
		t.Fatal(err)
	}
	if p.Metadata["name"] != "picket" || p.Spec.Version != "v1.2.3" || len(p.Spec.Platforms) != 3 {
		t.Fatalf("%+v", p)
	}
	if n := len(p.Spec.ShortDescription); n == 0 || n > 50 {
		t.Errorf("shortDescription has %d letters; krew shows 50", n)
	}
	for _, one := range p.Spec.Platforms {
		name := filepath.Base(one.URI)
		sum, err := digest(filepath.Join(r.out, name))
		labels := one.Selector.MatchLabels
		if err != nil || sum != one.SHA256 ||
			!strings.Contains(name, labels["os"]+"_"+labels["arch"]+".") ||
			(one.Bin == "picket.exe") != (labels["os"] == "windows") {
			t.Errorf("%v: %+v", err, one)
		}
	}
}

// The notes are the chapter of the version, and before it has one what is unreleased.
func TestNotes(t *testing.T) {
	const changes = "# Changes\n\n## Unreleased\n\nnew\n\n### Of a day\n\n## v1.1.0 (2026)\n\nold\n"
	for version, want := range map[string]string{
		"v1.1.0": "# Picket v1.1.0\n\nold\n",
		"v1.2.0": "# Picket v1.2.0\n\nnew\n\n### Of a day\n",
	} {
		if got, err := notesOf(changes, version); got != want || err != nil {
			t.Errorf("%s: %q, %v; expected %q", version, got, err, want)
		}
	}
	if _, err := notesOf("## v1.1.0\n\nold\n", "v1.2.0"); err == nil {
		t.Error("a version without notes is released")
	}
}

// What is missing or wrong is named.
func TestWrongInput(t *testing.T) {
	for want, args := range map[string][]string{
		`-version "1.2.3"`:  {"-version", "1.2.3"},
		`-version "v01.2.3`: {"-version", "v01.2.3"},
		"holds no program":  {"-version", "v1.2.3", "-build", t.TempDir(), "-o", t.TempDir()},
	} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; expected %q", args, err, want)
		}
	}
}
