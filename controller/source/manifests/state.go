package manifests

import (
	"errors"
	"path/filepath"
	"strings"
)

// state is what all paths state: their files, and which of them states which object. One goroutine
// owns it.
type state struct {
	files        map[fileID]file
	claims       claims
	bad          map[fileID]bool   // files that have problems of their own
	skipped      int               // sum over the files
	pathProblems map[int][]Problem // of the paths themselves, by rank: gone, or not watchable
	last         Update            // the last one that was taken, without its changes
	extras       bool              // workloads and Services are kept
	namespace    string            // of objects that state none; empty: the default one
}

// newState returns the state of no files.
func newState() *state {
	return &state{
		files: map[fileID]file{}, claims: newClaims(), bad: map[fileID]bool{},
		pathProblems: map[int][]Problem{},
	}
}

// setRead takes over how reading a file went: its content, errAbsent, or another error.
func (s *state) setRead(id fileID, data []byte, err error) {
	switch {
	case errors.Is(err, errAbsent):
		s.remove(id)
	case err != nil:
		s.set(id, s.files[id].afterError(id.path, err))
	default:
		s.setContent(id, data)
	}
}

// setContent takes over the content of a file.
func (s *state) setContent(id fileID, data []byte) {
	before := s.files[id]
	isJSON := strings.EqualFold(filepath.Ext(id.path), ".json")
	p := parser{onlyJSON: isJSON, extras: s.extras, namespace: s.namespace}
	s.set(id, before.afterReading(id.path, p.parse(data, before.docs)))
}

// remove takes over that a file is gone.
func (s *state) remove(id fileID) {
	s.set(id, file{})
	delete(s.files, id)
}

// set replaces a file, and updates all that is derived from it.
func (s *state) set(id fileID, now file) {
	old := s.files[id]
	s.claims.replace(id, old.stated, now.stated)
	s.skipped += now.skipped - old.skipped
	s.files[id] = now
	delete(s.bad, id)
	if len(now.problems) > 0 {
		s.bad[id] = true
	}
}

// hasObjects reports whether a file states any object now.
func (s *state) hasObjects(id fileID) bool { return len(s.files[id].stated) > 0 }

// withoutObjects returns a Problem for each file that holds nothing at all.
func (s *state) withoutObjects() []Problem {
	var all []Problem
	for id, f := range s.files {
		if len(f.stated)+len(f.problems)+f.skipped == 0 {
			all = append(all, Problem{File: id.path, Err: errNoObject})
		}
	}
	sortProblems(all)
	return all
}

// errNoObject is the problem of a file that holds nothing at all.
var errNoObject = errors.New("states no object; expected Kubernetes objects as YAML or JSON")

// takeUpdate returns what has changed since it was last called, and whether anything is new.
func (s *state) takeUpdate() (u Update, isNew bool) {
	u = Update{Changes: s.claims.takeChanges(), Skipped: s.skipped}
	u.Problems = s.claims.overriddenProblems()
	for _, ofPath := range s.pathProblems {
		u.Problems = append(u.Problems, ofPath...)
	}
	for id := range s.bad {
		u.Problems = append(u.Problems, s.files[id].problems...)
		u.Unread = u.Unread || !s.files[id].good
	}
	sortProblems(u.Problems)
	before := s.last
	s.last = Update{Problems: u.Problems, Unread: u.Unread}
	isNew = len(u.Changes) > 0 || u.Unread != before.Unread ||
		!sameProblems(u.Problems, before.Problems)
	return u, isNew
}
