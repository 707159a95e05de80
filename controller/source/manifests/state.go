package manifests

import (
	"errors"
	"path/filepath"
	"strings"
)

// state is all that is known of a path: its files, and who states what. One
// goroutine owns it.
type state struct {
	files     map[fileID]file
	ledger    ledger
	spoilt    map[fileID]bool   // files with problems of their own
	skipped   int               // sum over the files
	paths     map[int][]Problem // of the paths themselves, by rank: gone, or not watchable
	told      Update            // the last one, without its changes
	workloads bool              // objects that make pods are kept
}

func newState() *state {
	return &state{
		files: map[fileID]file{}, ledger: newLedger(), spoilt: map[fileID]bool{}, paths: map[int][]Problem{},
	}
}

// put says what a file holds now.
func (s *state) put(id fileID, data []byte) {
	have := s.files[id]
	p := parser{onlyJSON: strings.EqualFold(filepath.Ext(id.path), ".json"), workloads: s.workloads}
	s.set(id, have.next(id.path, p.parse(data, have.docs)))
}

// spoil says that a file is there and cannot be read.
func (s *state) spoil(id fileID, err error) {
	s.set(id, s.files[id].spoilt(id.path, err))
}

// take says how reading a file went: its bytes, errAbsent, or why not.
func (s *state) take(id fileID, data []byte, err error) {
	switch {
	case errors.Is(err, errAbsent):
		s.drop(id)
	case err != nil:
		s.spoil(id, err)
	default:
		s.put(id, data)
	}
}

// drop says that a file is gone.
func (s *state) drop(id fileID) {
	s.set(id, file{})
	delete(s.files, id)
}

func (s *state) set(id fileID, now file) {
	old := s.files[id]
	s.ledger.replace(id, old.stated, now.stated)
	s.skipped += now.skipped - old.skipped
	s.files[id] = now
	delete(s.spoilt, id)
	if len(now.problems) > 0 {
		s.spoilt[id] = true
	}
}

// states says whether a file counts for any object now.
func (s *state) states(id fileID) bool { return len(s.files[id].stated) > 0 }

// withoutObjects says which files hold nothing at all.
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

var errNoObject = errors.New("states no object; expected Kubernetes objects as YAML or JSON")

// update ends a round: what is new since the last one, and whether anything is.
func (s *state) update() (Update, bool) {
	u := Update{Changes: s.ledger.changes(), Skipped: s.skipped}
	u.Problems = s.ledger.duplicates()
	for _, ofPath := range s.paths {
		u.Problems = append(u.Problems, ofPath...)
	}
	for id := range s.spoilt {
		u.Problems = append(u.Problems, s.files[id].problems...)
		u.Unread = u.Unread || !s.files[id].good
	}
	sortProblems(u.Problems)
	told := s.told
	s.told = Update{Problems: u.Problems, Unread: u.Unread}
	return u, len(u.Changes) > 0 || u.Unread != told.Unread || !sameProblems(u.Problems, told.Problems)
}
