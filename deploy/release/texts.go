package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/deploy"
)

// writeManifests writes the files that people apply, with the image of this version.
func (r release) writeManifests() error {
	folder := filepath.Join(r.root, "deploy")
	image, err := deploy.Image(folder)
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(image, ":")
	for _, file := range []string{deploy.Rendered, deploy.Cleanup} {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "image: "+image+"\n") {
			return fmt.Errorf("%s: expected image: %s", file, image)
		}
		stamped := strings.ReplaceAll(string(text), image, name+":"+r.version)
		if err := os.WriteFile(filepath.Join(r.out, file), []byte(stamped), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeNotes writes what CHANGELOG.md says of this version.
func (r release) writeNotes() error {
	changes, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	notes, err := notesOf(string(changes), r.version)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "release-notes.md"), []byte(notes), 0o644)
}

// chapter is a heading of a version in CHANGELOG.md, and what follows it.
var chapter = regexp.MustCompile(`(?m)^## +(\S+).*$`)

// notesOf returns the chapter of a version. What comes before a release is in Unreleased.
func notesOf(changes, version string) (string, error) {
	heads := chapter.FindAllStringSubmatchIndex(changes, -1)
	for _, wanted := range []string{version, strings.TrimPrefix(version, "v"), "Unreleased"} {
		for i, head := range heads {
			end := len(changes)
			if i+1 < len(heads) {
				end = heads[i+1][0]
			}
			text := strings.TrimSpace(changes[head[1]:end])
			if changes[head[2]:head[3]] == wanted && text != "" {
				return fmt.Sprintf("# Picket %s\n\n%s\n", version, text), nil
			}
		}
	}
	return "", fmt.Errorf("CHANGELOG.md has nothing for %s; expected ## %s or ## Unreleased", version,
		version)
}

// krewPlugin is the manifest of a plugin of kubectl, as krew reads it.
type krewPlugin struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]string `json:"metadata"`
	Spec       krewSpec          `json:"spec"`
}

type krewSpec struct {
	Version          string         `json:"version"`
	Homepage         string         `json:"homepage"`
	ShortDescription string         `json:"shortDescription"`
	Description      string         `json:"description"`
	Platforms        []krewPlatform `json:"platforms"`
}

type krewPlatform struct {
	Selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	} `json:"selector"`
	URI    string              `json:"uri"`
	SHA256 string              `json:"sha256"`
	Files  []map[string]string `json:"files"`
	Bin    string              `json:"bin"`
}

// writeKrew writes the manifest of the plugin, which names the archives by their digests.
func (r release) writeKrew(platforms []platform) error {
	p := krewPlugin{APIVersion: "krew.googlecontainertools.github.com/v1alpha2", Kind: "Plugin",
		Metadata: map[string]string{"name": "picket"},
		Spec: krewSpec{
			Version: r.version, Homepage: homepage,
			ShortDescription: "Ask which NetworkPolicies decide",
			Description: "Says which NetworkPolicies decide whether one pod reaches another and what would\n" +
				"change it, from manifests or a cluster, whatever enforces them there.\n",
		}}
	for _, one := range platforms {
		entry, err := r.krewPlatform(one)
		if err != nil {
			return err
		}
		p.Spec.Platforms = append(p.Spec.Platforms, entry)
	}
	text, err := yaml.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "krew-picket.yaml"), text, 0o644)
}

func (r release) krewPlatform(p platform) (entry krewPlatform, err error) {
	name := p.archive(r.version)
	entry.SHA256, err = digest(filepath.Join(r.out, name))
	entry.URI = fmt.Sprintf("%s/releases/download/%s/%s", homepage, r.version, name)
	entry.Bin = p.program()
	entry.Selector.MatchLabels = map[string]string{"os": p.os, "arch": p.arch}
	entry.Files = []map[string]string{{"from": p.program(), "to": "."},
		{"from": "LICENSE", "to": "."}}
	return entry, err
}

func digest(path string) (string, error) {
	content, err := os.ReadFile(path)
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), err
}

// sums is the file with the digests of all others.
const sums = "SHA256SUMS"

// writeSums lists the digests of all files of a folder, as sha256sum --check reads them.
func writeSums(folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, path := range names { // in the order of their names
		if filepath.Base(path) == sums {
			continue
		}
		sum, err := digest(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, filepath.Base(path))
	}
	return os.WriteFile(filepath.Join(folder, sums), []byte(text.String()), 0o644)
}
