package manifests

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// state is all that is known of a path: its files, and who states what. One
// goroutine owns it. Files are named by their whole path, which sorts them as
// their names do, since all have one folder.
type state struct {
	files   map[string]file
	ledger  ledger
	spoilt  map[string]bool // files with problems of their own
	skipped int             // sum over the files
	path    []Problem       // of the path itself: gone, or not watchable
	told    Update          // the last one, without its changes
}

func newState() *state {
	return &state{files: map[string]file{}, ledger: newLedger(), spoilt: map[string]bool{}}
}

// put says what a file holds now.
func (s *state) put(path string, data []byte) {
	onlyJSON := strings.EqualFold(filepath.Ext(path), ".json")
	have := s.files[path]
	s.set(path, have.next(path, parse(data, onlyJSON, have.docs)))
}

// spoil says that a file is there and cannot be read.
func (s *state) spoil(path string, err error) {
	s.set(path, s.files[path].spoilt(path, err))
}

// take says how reading a file went: its bytes, errAbsent, or why not.
func (s *state) take(path string, data []byte, err error) {
	switch {
	case errors.Is(err, errAbsent):
		s.drop(path)
	case err != nil:
		s.spoil(path, err)
	default:
		s.put(path, data)
	}
}

// drop says that a file is gone.
func (s *state) drop(path string) {
	s.set(path, file{})
	delete(s.files, path)
}

func (s *state) set(path string, now file) {
	old := s.files[path]
	s.ledger.replace(path, old.stated, now.stated)
	s.skipped += now.skipped - old.skipped
	s.files[path] = now
	delete(s.spoilt, path)
	if len(now.problems) > 0 {
		s.spoilt[path] = true
	}
}

// states says whether a file counts for any object now.
func (s *state) states(path string) bool { return len(s.files[path].stated) > 0 }

// update ends a round: what is new since the last one, and whether anything is.
func (s *state) update() (Update, bool) {
	u := Update{Changes: s.ledger.changes(), Skipped: s.skipped}
	u.Problems = append(slices.Clone(s.path), s.ledger.duplicates()...)
	for path := range s.spoilt {
		u.Problems = append(u.Problems, s.files[path].problems...)
		u.Unread = u.Unread || !s.files[path].good
	}
	sortProblems(u.Problems)
	told := s.told
	s.told = Update{Problems: u.Problems, Unread: u.Unread}
	return u, len(u.Changes) > 0 || u.Unread != told.Unread || !sameProblems(u.Problems, told.Problems)
}
