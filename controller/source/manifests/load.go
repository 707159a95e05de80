package manifests

import (
	"errors"
	"fmt"
	"path/filepath"
)

// Load reads files and folders once; see Input.Load.
func Load(paths ...string) (Objects, []Problem, error) { return Input{Paths: paths}.Load() }

// Load reads all of the input once, workloads too. The error says that a path itself cannot be
// read; what is wrong inside of it is in the Problems, sorted.
func (in Input) Load() (Objects, []Problem, error) {
	roots, err := in.roots()
	if err != nil {
		return Objects{}, nil, err
	}
	s := newState()
	s.extras, s.namespace = true, in.Namespace
	var empty []Problem
	texts := map[string][]byte{}
	for _, r := range roots {
		files, err := r.load(s, texts)
		if err != nil {
			return Objects{}, nil, fmt.Errorf("read manifests: %w", err)
		}
		if files == 0 && !in.Recursive {
			empty = append(empty, Problem{File: r.path, Err: r.noFiles()})
		}
	}
	u, _ := s.takeUpdate()
	all := newObjects(u)
	all.Empty = append(empty, s.withoutObjects()...)
	all.places, all.texts, all.Foreign = s.claims.places(), texts, s.foreign()
	all.namespace = in.Namespace
	return all, u.Problems, nil
}

// load reads all files of a root into a state, and counts them. It keeps the texts of those that
// may hold policies, or have problems.
func (r root) load(into *state, texts map[string][]byte) (files int, err error) {
	names, err := r.names()
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		data, _, err := r.read(name)
		if err != nil && r.file != "" {
			return 0, err
		}
		into.setRead(r.id(name), data, err)
		if mentionsPolicy(data) || into.bad[r.id(name)] {
			texts[r.pathOf(name)] = data
		}
	}
	return len(names), nil
}

// noFiles says that a folder holds nothing to read, and whether the folders in it do.
func (r root) noFiles() error {
	const nothing = "holds no manifests; expected files named *.yaml, *.yml or *.json"
	inside, _ := filepath.Glob(filepath.Join(r.path, "*", "*"))
	for _, path := range inside {
		if r.includes(filepath.Base(path)) {
			return errors.New(nothing + "; those in its folders are read with -R")
		}
	}
	return errors.New(nothing)
}
