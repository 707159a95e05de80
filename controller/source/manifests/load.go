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
	sources, err := in.sources()
	if err != nil {
		return Objects{}, nil, err
	}
	s := newState()
	s.workloads = true
	var empty []Problem
	for _, src := range sources {
		names, err := src.load(s)
		if err != nil {
			return Objects{}, nil, fmt.Errorf("read manifests: %w", err)
		}
		if names == 0 && !in.Recursive {
			empty = append(empty, Problem{File: src.path, Err: src.noFiles()})
		}
	}
	u, _ := s.update()
	all := gather(u)
	all.Empty = append(empty, s.withoutObjects()...)
	all.places = s.ledger.places()
	return all, u.Problems, nil
}

// load puts all that a source holds into a state, and counts its files.
func (s source) load(into *state) (files int, err error) {
	names, err := s.names()
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		data, _, err := s.read(name)
		if err != nil && s.only != "" {
			return 0, err
		}
		into.take(s.id(name), data, err)
	}
	return len(names), nil
}

// noFiles says that a folder holds nothing to read, and whether the folders in it do.
func (s source) noFiles() error {
	const nothing = "holds no manifests; expected files named *.yaml, *.yml or *.json"
	inside, _ := filepath.Glob(filepath.Join(s.path, "*", "*"))
	for _, path := range inside {
		if s.counts(filepath.Base(path)) {
			return errors.New(nothing + "; those in its folders are read with -R")
		}
	}
	return errors.New(nothing)
}
