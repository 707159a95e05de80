package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

const homepage = "https://github.com/picket-project/picket"

// sbom returns what a program is made of as SPDX 2.3: the modules that the linker has written into
// it, and the Go that built it. Nothing else is in it, since it is static and without cgo.
func (r release) sbom(path, name string) ([]byte, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sum, err := digest(path)
	if err != nil {
		return nil, err
	}
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense,
		SPDXIdentifier: "DOCUMENT", DocumentName: name + "-" + r.version,
		DocumentNamespace: fmt.Sprintf("%s/spdx/%s-%s-%s", homepage, name, r.version, sum),
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Organization", Creator: "Picket"}},
			Created:  r.created.Format(time.RFC3339),
		},
	}
	program := r.programPackage(name, sum)
	doc.Packages = append(doc.Packages, program)
	doc.Relationships = append(doc.Relationships,
		related("DOCUMENT", common.TypeRelationshipDescribe, "program"))
	for i, m := range modules(info) {
		id := fmt.Sprintf("module-%d", i)
		doc.Packages = append(doc.Packages, modulePackage(m, id))
		doc.Relationships = append(doc.Relationships,
			related("program", common.TypeRelationshipStaticLink, id))
	}
	var text bytes.Buffer
	err = spdxjson.Write(doc, &text, spdxjson.Indent(" "))
	return append(text.Bytes(), '\n'), err
}

// programPackage is the program itself.
func (r release) programPackage(name, digest string) *spdx.Package {
	return &spdx.Package{
		PackageName: name, PackageSPDXIdentifier: "program", PackageVersion: r.version,
		PackageDownloadLocation: "git+" + homepage + "@" + r.version,
		PackageHomePage:         homepage, PrimaryPackagePurpose: "APPLICATION",
		PackageLicenseConcluded: "Apache-2.0", PackageLicenseDeclared: "Apache-2.0",
		PackageCopyrightText: "NOASSERTION",
		PackageChecksums:     []common.Checksum{{Algorithm: common.SHA256, Value: digest}},
	}
}

// modules are those that a program was linked from, and Go's own library by the name and the version
// that scanners and vulnerability databases know: stdlib 1.26.1, not go1.26.1.
func modules(info *debug.BuildInfo) []*debug.Module {
	all := []*debug.Module{{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, m)
	}
	return all
}

// modulePackage is a module under the name that scanners look up. Of its license the linker knows
// nothing.
func modulePackage(m *debug.Module, id string) *spdx.Package {
	p := &spdx.Package{
		PackageName: m.Path, PackageSPDXIdentifier: common.ElementID(id),
		PackageVersion: m.Version, PackageDownloadLocation: "NOASSERTION",
		PrimaryPackagePurpose:   "LIBRARY",
		PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: "NOASSERTION",
		PackageCopyrightText: "NOASSERTION",
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL,
			Locator: "pkg:golang/" + m.Path + "@" + m.Version}},
	}
	if m.Sum != "" {
		p.PackageComment = "go.sum " + m.Sum
	}
	return p
}

func related(a, how, b string) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.MakeDocElementID("", a), Relationship: how,
		RefB: common.MakeDocElementID("", b)}
}
