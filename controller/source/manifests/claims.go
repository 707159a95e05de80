package manifests

import (
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
)

// ledger knows for every object who states it, and what that changed. The last
// claim counts, as it would after kubectl apply; the others wait.
type ledger struct {
	claims    map[Key][]claim        // in the order of the files, then as the file has them; never empty
	before    map[Key]runtime.Object // what counted before this round, for keys that were touched; nil = nothing
	contested map[Key]bool           // those with more than one claim, as of the last round
}

// claim is one file's statement of an object.
type claim struct {
	file     fileID
	document int
	object   runtime.Object
}

func newLedger() ledger {
	return ledger{
		claims:    map[Key][]claim{},
		before:    map[Key]runtime.Object{},
		contested: map[Key]bool{},
	}
}

// replace makes a file state now instead of old.
func (l *ledger) replace(file fileID, old, now []statement) {
	for _, s := range old {
		l.touch(s.key)
		l.set(s.key, slices.DeleteFunc(l.claims[s.key], func(c claim) bool { return c.file == file }))
	}
	for _, s := range now {
		l.touch(s.key)
		have := l.claims[s.key]
		at := slices.IndexFunc(have, func(c claim) bool { return c.file.compare(file) > 0 })
		if at < 0 {
			at = len(have)
		}
		l.set(s.key, slices.Insert(have, at, claim{file: file, document: s.document, object: s.object}))
	}
}

func (l *ledger) set(k Key, claims []claim) {
	if len(claims) == 0 {
		delete(l.claims, k)
		return
	}
	l.claims[k] = claims
}

// touch remembers what counts for a key before this round changes it.
func (l *ledger) touch(k Key) {
	if _, ok := l.before[k]; !ok {
		l.before[k] = l.counts(k)
	}
}

// counts is the object that counts for a key; nil if nobody states it.
func (l *ledger) counts(k Key) runtime.Object {
	if claims := l.claims[k]; len(claims) > 0 {
		return claims[len(claims)-1].object
	}
	return nil
}

// changes ends a round: what it changed, in the order of an Update.
func (l *ledger) changes() []Change {
	var all []Change
	for k, before := range l.before {
		if now := l.counts(k); !same(before, now) {
			all = append(all, Change{Key: k, Object: now})
		}
		delete(l.contested, k)
		if len(l.claims[k]) > 1 {
			l.contested[k] = true
		}
	}
	l.before = map[Key]runtime.Object{}
	slices.SortFunc(all, compareChanges)
	return all
}

// same compares exactly, not by meaning: a change that means nothing costs one
// event, a meaning that is missed is a hole.
func same(a, b runtime.Object) bool {
	return a == b || reflect.DeepEqual(a, b)
}

// duplicates are the claims that do not count, as of the last round.
func (l *ledger) duplicates() []Problem {
	var all []Problem
	for k := range l.contested {
		others, last := l.others(k)
		for _, c := range others {
			if c.file.path == last.file.path && c.document == last.document {
				continue // one file that was asked for twice
			}
			all = append(all, Problem{
				File: c.file.path, Document: c.document, Object: k.String(),
				Err: fmt.Errorf("ignored: %s document %d states it later; expected one statement of an object",
					last.file.path, last.document),
			})
		}
	}
	return all
}

// others are the claims to a key but the one that counts, which is the last.
func (l *ledger) others(k Key) (others []claim, last claim) {
	end := len(l.claims[k]) - 1
	return l.claims[k][:end], l.claims[k][end]
}

// places says of all objects where what counts of them stands.
func (l *ledger) places() map[Key]Problem {
	all := make(map[Key]Problem, len(l.claims))
	for k := range l.claims {
		_, c := l.others(k)
		all[k] = Problem{File: c.file.path, Document: c.document}
	}
	return all
}
