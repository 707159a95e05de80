package manifests

import (
	"fmt"
	"slices"
)

// file is what one file states. The zero value is a file that was not read yet. A file is never
// changed: afterReading and afterError return the next one.
type file struct {
	docs     []document  // as last read, to be used again
	stated   []statement // what counts, in the order of the documents
	problems []Problem   // of the last reading
	skipped  int         // objects of other kinds in the last reading
	foreign  []Problem   // policies of other engines in the last reading
	good     bool        // it was once read without a problem
}

// statement is an entry and the number of the document that it stands in.
type statement struct {
	entry
	document int
}

// afterReading returns the file after it was read as these documents.
func (f file) afterReading(path string, docs []document) file {
	n := file{docs: docs, good: f.good}
	for i, d := range docs {
		n.skipped += d.skipped
		n.foreign = append(n.foreign, placed(d.foreign, path, i+1)...)
		for _, e := range d.entries {
			n.stated = append(n.stated, statement{entry: e, document: i + 1})
		}
		n.problems = append(n.problems, placed(d.problems, path, i+1)...)
	}
	return n.keepingLastGood(f)
}

// placed returns problems with the place of their document.
func placed(problems []Problem, path string, document int) []Problem {
	var all []Problem
	for _, p := range problems {
		p.File, p.Document = path, document
		all = append(all, p)
	}
	return all
}

// afterError returns the file after it could not be read at all.
func (f file) afterError(path string, err error) file {
	n := file{docs: f.docs, skipped: f.skipped, good: f.good}
	n.problems = []Problem{{File: path, Err: err}}
	return n.keepingLastGood(f)
}

// keepingLastGood decides what counts. Without a problem it is what was read. With one it is the
// last good state, as a whole, or, if there never was one, what was read and each earlier
// statement that it does not replace.
func (f file) keepingLastGood(before file) file {
	switch {
	case len(f.problems) == 0:
		f.good = true
	case f.good:
		f.stated = before.stated
		for i, p := range f.problems {
			f.problems[i].Err = fmt.Errorf("%w (the file's last good state stays)", p.Err)
		}
	default:
		f.stated = withMissing(f.stated, before.stated)
	}
	return f
}

// withMissing returns the statements of now, and those of before about other objects.
func withMissing(now, before []statement) []statement {
	stated := make(map[Key]bool, len(now))
	for _, s := range now {
		stated[s.key] = true
	}
	all := slices.Clip(now)
	for _, s := range before {
		if !stated[s.key] {
			all = append(all, s)
		}
	}
	return all
}
