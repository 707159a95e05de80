package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/picket-project/picket"

// goPackage is what `go list` says of a package: paths of what it imports, tests aside, and its
// files.
type goPackage struct {
	ImportPath, Name, Dir   string
	Imports, Deps           []string
	GoFiles, IgnoredGoFiles []string // IgnoredGoFiles are for other systems
}

// room is the path of a package inside of the module: "ruleset/policy"; ok is false for packages of
// others.
func (p goPackage) room() (room string, ok bool) {
	return strings.CutPrefix(p.ImportPath, module+"/")
}

// rooms lists the module's own packages that hold more than tests.
func rooms(t *testing.T) map[string]goPackage {
	t.Helper()
	all, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var listed = sync.OnceValues(func() (map[string]goPackage, error) {
	cmd := exec.Command("go", "list", "-deps",
		"-json=ImportPath,Name,Dir,Imports,Deps,GoFiles,IgnoredGoFiles", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	all := map[string]goPackage{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			return all, ignore(err, io.EOF)
		}
		if room, own := p.room(); own && len(p.GoFiles) > 0 {
			all[room] = p
		}
	}
})

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// anyUnder reports whether one of the paths is a prefix or lies below it.
func anyUnder(paths []string, prefixes ...string) (string, bool) {
	for _, path := range paths {
		for _, prefix := range prefixes {
			if path == prefix || strings.HasPrefix(path, prefix+"/") {
				return path, true
			}
		}
	}
	return "", false
}

// arrows are the imports that a room must not have, not even through others.
var arrows = []struct {
	room      string
	forbidden []string
	why       string
}{
	{"ruleset/policy", []string{module + "/ruleset/compile", module + "/ruleset/oracle",
		"k8s.io/client-go"}, "what a policy means does not depend on how it is compiled"},
	{"ruleset/compile", []string{module + "/ruleset/oracle", "k8s.io/client-go"},
		"the oracle is a second opinion; the compiler is pure"},
	{"ruleset/oracle", []string{module + "/ruleset/policy", module + "/ruleset/compile", module +
		"/ruleset", "k8s.io/client-go"}, "the oracle is a second opinion"},
	{"ruleset/oracle/scene", []string{module + "/ruleset/policy", module + "/ruleset/compile",
		"k8s.io/client-go"}, "scenes do not know what they are held against"},
	{"cmd/picket", []string{module + "/ruleset/oracle", "golang.org/x/tools"},
		"tests are no part of the program"},
	{"controller/graph", []string{"github.com/vishvananda", "github.com/mdlayher",
		"github.com/google/nftables", "k8s.io/client-go"}, "the graph is pure"},
	{"nft", []string{"k8s.io", "sigs.k8s.io"}, "a backend does not know Kubernetes"},
	{"controller", []string{module + "/nft", module + "/cmd", "k8s.io/client-go"},
		"the loop knows interfaces, cmd/cli wires"},
	{"controller/source", []string{module + "/nft", module + "/cmd", "k8s.io/client-go"},
		"what a source says is plain values"},
	{"controller/source/cluster", []string{module + "/nft", module + "/cmd"},
		"a source knows no kernel"},
	{"controller/source/folder", []string{module + "/nft", module + "/cmd", "k8s.io/client-go"},
		"a folder needs no cluster"},
	{"controller/source/manifests", []string{module + "/controller/graph", module + "/nft",
		"k8s.io/client-go"}, "files are read for all verbs"},
	{"cmd/inspect", []string{module + "/nft", module + "/cmd/cli", module + "/cmd/sandbox",
		"k8s.io/client-go",
		"github.com/vishvananda", "github.com/mdlayher", "github.com/google/nftables",
		"github.com/spf13"}, "questions need no kernel and no flags"},
	{"cmd/inspect/why", questionsNeedNo, "questions need no kernel and no flags"},
	{"cmd/inspect/reach", questionsNeedNo, "questions need no kernel and no flags"},
	{"cmd/inspect/coverage", questionsNeedNo, "questions need no kernel and no flags"},
	{"cmd/inspect/report/page", questionsNeedNo, "questions need no kernel and no flags"},
	{"cmd/inspect/lint", questionsNeedNo, "questions need no kernel and no flags"},
	{"cmd/cli/input", []string{module + "/nft", module + "/cmd/sandbox",
		"github.com/vishvananda", "github.com/mdlayher"}, "files and clusters are read anywhere"},
}

// questionsNeedNo is what answers must not import.
var questionsNeedNo = []string{module + "/nft", module + "/cmd/cli", module + "/cmd/sandbox",
	module + "/ruleset/oracle", "k8s.io/client-go", "github.com/vishvananda", "github.com/mdlayher",
	"github.com/google/nftables", "github.com/spf13"}

// On other systems than Linux there are the verbs that ask files and clusters, and nothing of the
// kernel.
func TestOtherSystemsHaveNoKernel(t *testing.T) {
	for _, system := range []string{"darwin", "windows"} {
		cmd := exec.Command("go", "list", "-deps", ".")
		cmd.Env = append(cmd.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", system, err)
		}
		deps := strings.Fields(string(out))
		if path, found := anyUnder(deps, "github.com/vishvananda", "github.com/mdlayher",
			"github.com/google/nftables", module+"/nft", module+"/cmd/sandbox"); found {
			t.Errorf("%s: imports %s", system, path)
		}
		if !slices.Contains(deps, module+"/cmd/inspect/why") {
			t.Errorf("%s: there is no verb why", system)
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	all := rooms(t)
	for _, a := range arrows {
		if len(all[a.room].GoFiles) == 0 {
			t.Errorf("%s: no such package", a.room)
		}
		if path, found := anyUnder(all[a.room].Deps, a.forbidden...); found {
			t.Errorf("%s imports %s: %s", a.room, path, a.why)
		}
	}
	for room, p := range all {
		_, hasNft := anyUnder(p.Imports, module+"/nft")
		_, hasController := anyUnder(p.Imports, module+"/controller")
		if hasNft && hasController && room != "cmd/cli" {
			t.Errorf("%s imports nft and controller: only cmd/cli wires", room)
		}
	}
	for room, p := range all {
		if strings.HasPrefix(room, "controller/") && slices.Contains(p.Deps, module+"/controller") {
			t.Errorf("%s imports controller, which is above it", room)
		}
	}
	if _, has := anyUnder(all["controller/source/cluster"].Deps, "k8s.io/client-go"); !has {
		t.Error(
			"controller/source/cluster does not import client-go: this test looks at the wrong thing")
	}
	if _, wires := anyUnder(all["cmd/cli"].Imports, module+"/nft"); !wires {
		t.Error("cmd/cli does not import nft: this test looks at the wrong thing")
	}
}

func TestRulesetImportsTheStandardLibraryAlone(t *testing.T) {
	for _, path := range rooms(t)["ruleset"].Deps {
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
			t.Errorf("ruleset imports %s", path)
		}
	}
}

func TestCompilerAndOracleKnowTheAPITypesAlone(t *testing.T) {
	for _, room := range []string{"ruleset/policy", "ruleset/compile", "ruleset/oracle",
		"ruleset/oracle/scene"} {
		for _, path := range rooms(t)[room].Imports {
			_, kubernetes := anyUnder([]string{path}, "k8s.io")
			if _, types := anyUnder([]string{path}, "k8s.io/api",
				"k8s.io/apimachinery"); kubernetes && !types {
				t.Errorf("%s imports %s", room, path)
			}
		}
	}
}

func TestPackageNamesSayWhatIsInThem(t *testing.T) {
	for room, p := range rooms(t) {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types", "misc",
			"base", "manager"}, p.Name) {
			t.Errorf("%s: package %s", room, p.Name)
		}
	}
}
