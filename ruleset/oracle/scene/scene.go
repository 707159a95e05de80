package scene

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/picket-project/picket/ruleset/oracle"
)

//go:embed testdata
var files embed.FS

// Scene is a cluster, how it changes, and which flows must be allowed then.
type Scene struct {
	Topic string // the name of its file, without .txtar
	Name  string
	Steps []Step // one at least
	// Why this scene is not for packets, or not for the oracle; empty: it is.
	NoPackets, NoOracle string
}

// Step is the cluster at one moment. Objects that a step does not change are those of the step
// before.
type Step struct {
	Name     string // what has happened; empty at first
	World    *oracle.World
	Flows    []Flow
	Problems []string // what is wrong with the policies; none: the scene does not say
}

// Corpus reads all scenes, in the order of their files.
func Corpus() ([]*Scene, error) {
	base, err := Cluster()
	if err != nil {
		return nil, err
	}
	entries, err := files.ReadDir("testdata")
	if err != nil {
		return nil, err
	}
	var all []*Scene
	for _, e := range entries {
		if path.Ext(e.Name()) != ".txtar" {
			continue
		}
		text, err := files.ReadFile(path.Join("testdata", e.Name()))
		if err != nil {
			return nil, err
		}
		scenes, err := Parse(base, e.Name(), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, scenes...)
	}
	return all, nil
}

// Cluster is where scenes happen that say nothing else: testdata/cluster.txt.
func Cluster() (*oracle.World, error) {
	text, err := files.ReadFile("testdata/cluster.txt")
	if err != nil {
		return nil, err
	}
	return parseWorld(&oracle.World{}, section{file: "cluster.txt", line: 1, text: string(text)})
}

// Edit returns the world after statements about objects. It changes no object of w.
func Edit(w *oracle.World, statements string) (*oracle.World, error) {
	return parseWorld(w, section{file: "statements", line: 1, text: statements})
}

// Flows reads flows between the pods and nodes of the world, one a line.
func Flows(w *oracle.World, lines string) ([]Flow, error) {
	scenes, err := section{file: "flows", line: 1, text: lines}.scenes(w)
	if err != nil {
		return nil, err
	}
	return scenes[0].Steps[0].Flows, nil
}

// parseWorld reads a section of nothing but objects.
func parseWorld(w *oracle.World, s section) (*oracle.World, error) {
	scenes, err := s.scenes(w)
	if err != nil {
		return nil, err
	}
	if len(scenes) != 1 || len(scenes[0].Steps) != 1 || len(scenes[0].Steps[0].Flows) > 0 {
		return nil, fmt.Errorf("%s:%d: only objects may stand here", s.file, s.line)
	}
	return scenes[0].Steps[0].World, nil
}

// Parse reads a file of scenes that happen in the cluster. An error names the file and the line.
func Parse(cluster *oracle.World, file, text string) ([]*Scene, error) {
	archive := txtar.Parse([]byte(text))
	line := 1 + strings.Count(string(archive.Comment), "\n")
	if !strings.HasPrefix(text, "#") {
		return nil, fmt.Errorf("%s:1: expected a # paragraph that says what the file shows", file)
	}
	if extra := unexpected(string(archive.Comment)); extra > 0 {
		return nil, fmt.Errorf("%s:%d: expected a line that starts with # or --", file, extra)
	}
	var all []*Scene
	seen := map[string]bool{}
	for _, f := range archive.Files {
		s := section{file: file, line: line + 1, name: f.Name, text: string(f.Data)}
		line += 1 + strings.Count(s.text, "\n")
		if s.name == "cluster" {
			w, err := parseWorld(cluster, s)
			if err != nil {
				return nil, err
			}
			cluster = w
			continue
		}
		if seen[s.name] {
			return nil, fmt.Errorf("%s:%d: a second scene %q", file, s.line-1, s.name)
		}
		seen[s.name] = true
		scenes, err := s.scenes(cluster)
		if err != nil {
			return nil, err
		}
		for _, scene := range scenes {
			if len(scene.Steps[len(scene.Steps)-1].Flows) == 0 {
				return nil, fmt.Errorf("%s:%d: the scene %q ends without a flow", file, s.line-1,
					s.name)
			}
		}
		all = append(all, scenes...)
	}
	return all, nil
}

// unexpected returns the number of the first line that is neither empty nor a comment, or 0.
func unexpected(comment string) int {
	number := 0
	for line := range strings.Lines(comment) {
		number++
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' {
			return number
		}
	}
	return 0
}

// section is a part of a file: one scene, or more where something is said of each of several.
type section struct {
	file string
	line int // of the first line of text
	name string
	text string
}

// scenes reads the section, which starts with the cluster.
func (s section) scenes(cluster *oracle.World) ([]*Scene, error) {
	statements, err := s.statements()
	if err != nil {
		return nil, err
	}
	word, values, rest, err := variants(statements)
	if err != nil {
		return nil, err
	}
	if word == "" {
		values = []string{""}
	}
	var all []*Scene
	for _, value := range values {
		scene := &Scene{Topic: strings.TrimSuffix(s.file, ".txtar"), Name: s.name}
		if word != "" {
			scene.Name += ": " + value
		}
		r := reader{scene: scene, world: clone(cluster)}
		for _, st := range rest {
			if word != "" {
				st = st.replace("$"+word, value)
			}
			if err := r.read(st); err != nil {
				return nil, fmt.Errorf("%s: %w", st.at, err)
			}
		}
		r.endStep()
		all = append(all, scene)
	}
	return all, nil
}
