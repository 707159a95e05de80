package manifests

import (
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
)

// claims are, for every object, the files that state it. The last claim counts, as it would after
// kubectl apply; it is what changes compare.
type claims struct {
	// byKey is in the order of the files, then of the documents. No list is empty.
	byKey map[Key][]claim
	// before is what counted at the last takeChanges, nil for nothing, of the keys touched since.
	before map[Key]runtime.Object
	// contested are the keys with several claims, as of the last takeChanges.
	contested map[Key]bool
}

// claim is the statement of an object by one file.
type claim struct {
	file     fileID
	document int
	object   runtime.Object
}

// newClaims returns the claims of no files.
func newClaims() claims {
	return claims{
		byKey:     map[Key][]claim{},
		before:    map[Key]runtime.Object{},
		contested: map[Key]bool{},
	}
}

// replace replaces the statements of a file.
func (c *claims) replace(file fileID, old, now []statement) {
	for _, s := range old {
		c.touch(s.key)
		ofFile := func(x claim) bool { return x.file == file }
		c.set(s.key, slices.DeleteFunc(c.byKey[s.key], ofFile))
	}
	for _, s := range now {
		c.touch(s.key)
		have := c.byKey[s.key]
		at := slices.IndexFunc(have, func(x claim) bool { return x.file.compare(file) > 0 })
		if at < 0 {
			at = len(have)
		}
		added := claim{file: file, document: s.document, object: s.object}
		c.set(s.key, slices.Insert(have, at, added))
	}
}

// set replaces the claims to a key. Keys without claims are removed.
func (c *claims) set(k Key, now []claim) {
	if len(now) == 0 {
		delete(c.byKey, k)
		return
	}
	c.byKey[k] = now
}

// touch remembers what counts for a key before it is changed for the first time since takeChanges.
func (c *claims) touch(k Key) {
	if _, touched := c.before[k]; !touched {
		c.before[k] = c.current(k)
	}
}

// current returns the object that counts for a key, nil if no file states it.
func (c *claims) current(k Key) runtime.Object {
	if all := c.byKey[k]; len(all) > 0 {
		return all[len(all)-1].object
	}
	return nil
}

// takeChanges returns what has changed since it was last called, in the order of an Update.
func (c *claims) takeChanges() []Change {
	var all []Change
	for k, before := range c.before {
		if now := c.current(k); !sameObject(before, now) {
			all = append(all, Change{Key: k, Object: now})
		}
		delete(c.contested, k)
		if len(c.byKey[k]) > 1 {
			c.contested[k] = true
		}
	}
	c.before = map[Key]runtime.Object{}
	slices.SortFunc(all, compareChanges)
	return all
}

// sameObject compares every field, whether it has a meaning for policies or not: an event too many
// costs little, one too few would be a hole.
func sameObject(a, b runtime.Object) bool {
	return a == b || reflect.DeepEqual(a, b)
}

// overriddenProblems returns a Problem for each claim that does not count, as of the last
// takeChanges.
func (c *claims) overriddenProblems() []Problem {
	var all []Problem
	for k := range c.contested {
		overridden, last := c.split(k)
		for _, o := range overridden {
			// Items of one list are of one document, too.
			if o.file != last.file && o.file.path == last.file.path && o.document == last.document {
				continue // one file that was asked for twice
			}
			all = append(all, Problem{
				File: o.file.path, Document: o.document, Object: k.String(),
				Err: fmt.Errorf(
					"ignored: %s document %d states it later; expected one statement of an object",
					last.file.path, last.document),
			})
		}
	}
	return all
}

// split returns the claims to a key that do not count, and the last one, which does.
func (c *claims) split(k Key) (overridden []claim, last claim) {
	end := len(c.byKey[k]) - 1
	return c.byKey[k][:end], c.byKey[k][end]
}

// places returns for each object where its claim that counts stands.
func (c *claims) places() map[Key]Problem {
	all := make(map[Key]Problem, len(c.byKey))
	for k := range c.byKey {
		_, last := c.split(k)
		all[k] = Problem{File: last.file.path, Document: last.document}
	}
	return all
}
