package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// file is a Go file that is no test.
type file struct {
	room, name string
	lines      int
	syntax     *ast.File
}

func (f file) at(fset *token.FileSet, n ast.Node) string {
	return fmt.Sprintf("%s/%s:%d", f.room, f.name, fset.Position(n.Pos()).Line)
}

// files parses all of them, those for other systems too.
func files(t *testing.T) (*token.FileSet, []file) {
	t.Helper()
	fset := token.NewFileSet()
	var all []file
	for room, p := range rooms(t) {
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			syntax, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil,
				parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, file{room, name, fset.File(syntax.FileStart).LineCount(), syntax})
		}
	}
	return fset, all
}

func TestFilesAreShort(t *testing.T) {
	_, all := files(t)
	for _, f := range all {
		if f.lines > 500 || f.room == "cmd/picket" && f.lines > 30 {
			t.Errorf("%s/%s has %d lines", f.room, f.name, f.lines)
		}
	}
}

// The length of a function is that of its body, between the braces.
func TestFunctionsAreShort(t *testing.T) {
	fset, all := files(t)
	var lengths []int
	for _, f := range all {
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			length := fset.Position(fn.Body.Rbrace).Line - fset.Position(fn.Body.Lbrace).Line - 1
			lengths = append(lengths, length)
			if length > 60 && !isTable(fn) {
				t.Errorf("%s: %s has %d lines", f.at(fset, fn), fn.Name.Name, length)
			}
		}
	}
	slices.Sort(lengths)
	median, tail := lengths[len(lengths)/2], lengths[len(lengths)*9/10]
	t.Logf("%d functions: median %d lines, 90th percentile %d", len(lengths), median, tail)
	if median > 8 || tail > 35 {
		t.Errorf("functions have grown: median %d lines (8 at most), 90th percentile %d (35 at "+
			"most)", median, tail)
	}
}

// isTable reports whether a function does nothing but return what it lists.
func isTable(fn *ast.FuncDecl) bool {
	if len(fn.Body.List) != 1 {
		return false
	}
	last, ok := fn.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(last.Results) != 1 {
		return false
	}
	_, ok = last.Results[0].(*ast.CompositeLit)
	return ok
}

// Four parameters are as many as a reader keeps apart.
func TestParametersAreFew(t *testing.T) {
	fset, all := files(t)
	for _, f := range all {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Type.Params.NumFields() > 4 {
				t.Errorf("%s: %s has %d parameters", f.at(fset, fn), fn.Name.Name,
					fn.Type.Params.NumFields())
			}
		}
	}
}

// At most one line in a hundred is longer than 100 columns, where a tab is four.
func TestLinesAreShort(t *testing.T) {
	lines, long := 0, map[string]int{}
	for _, f := range sources(t) {
		for _, line := range f.text {
			lines++
			if utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")) > 100 {
				long[f.name]++
			}
		}
	}
	sum := 0
	for _, n := range long {
		sum += n
	}
	t.Logf("%d of %d lines are longer than 100 columns", sum, lines)
	if sum*100 > lines {
		t.Errorf("%d of %d lines are longer than 100 columns: %v", sum, lines, long)
	}
}

// Between 15 and 25 of a hundred lines are comments, tests and blank lines aside.
func TestCommentsAreEnough(t *testing.T) {
	lines, comments := 0, 0
	for _, f := range sources(t) {
		for _, line := range f.text {
			line = strings.TrimSpace(line)
			if f.test || line == "" {
				continue
			}
			if lines++; strings.HasPrefix(line, "//") {
				comments++
			}
		}
	}
	share := 100 * float64(comments) / float64(lines)
	t.Logf("%.1f %% of %d lines are comments", share, lines)
	if share < 15 || share > 25 {
		t.Errorf("%.1f %% of the lines are comments; expected 15 to 25", share)
	}
}

// source is a Go file of this module, tests included, as lines.
type source struct {
	name string
	test bool
	text []string
}

func sources(t *testing.T) (all []source) {
	t.Helper()
	for _, p := range rooms(t) {
		names, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			test := strings.HasSuffix(name, "_test.go")
			all = append(all, source{name, test, strings.Split(string(text), "\n")})
		}
	}
	return all
}

// metaphors are words that nobody understands who has not written the code.
var metaphors = []string{
	"agenda", "crew", "deed", "doorkeeper", "dress", "exhume", "eyes", "furnish", "gate",
	"graveyard", "herald", "hush", "nursery", "theatre", "trick",
}

// Names are words of the field.
func TestNamesArePlain(t *testing.T) {
	fset, all := files(t)
	for _, f := range all {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				for _, word := range words(id.Name) {
					if slices.Contains(metaphors, word) {
						t.Errorf("%s: %s", f.at(fset, id), id.Name)
					}
				}
			}
			return true
		})
	}
}

// words splits a name where its letters change to upper case.
func words(name string) []string {
	var all []string
	start := 0
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			all, start = append(all, strings.ToLower(name[start:i])), i
		}
	}
	return append(all, strings.ToLower(name[start:]))
}

// A map of true and false that is indexed at once is a condition in disguise.
func TestMapsAreNoConditions(t *testing.T) {
	fset, all := files(t)
	for _, f := range all {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			index, ok := n.(*ast.IndexExpr)
			if !ok {
				return true
			}
			literal, ok := index.X.(*ast.CompositeLit)
			if ok && strings.HasPrefix(types.ExprString(literal.Type), "map[bool]") {
				t.Errorf("%s: write an if", f.at(fset, index))
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	_, all := files(t)
	documented := map[string]bool{}
	for _, f := range all {
		documented[f.room] = documented[f.room] || f.syntax.Doc != nil
	}
	for room, is := range documented {
		if !is {
			t.Errorf("%s has no package comment", room)
		}
	}
}

// Outside of cmd, which nobody imports, every exported name has a sentence. Methods of unexported
// types and those whose meaning is the language's own need none, and one does for a group of
// constants or variables.
func TestExportedNamesAreExplained(t *testing.T) {
	fset, all := files(t)
	for _, f := range all {
		if strings.HasPrefix(f.room, "cmd/") {
			continue
		}
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && !explainsItself(d) {
					t.Errorf("%s: %s has no comment", f.at(fset, d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, name := range unexplained(d) {
					t.Errorf("%s: %s has no comment", f.at(fset, d), name)
				}
			}
		}
	}
}

func explainsItself(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	receiver, _, _ := strings.Cut(strings.TrimPrefix(types.ExprString(d.Recv.List[0].Type), "*"),
		"[")
	return !ast.IsExported(receiver) || slices.Contains([]string{"String", "Error", "Unwrap"},
		d.Name.Name)
}

func unexplained(d *ast.GenDecl) []string {
	var names []string
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
				names = append(names, s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

func TestNothingHappensBeforeMain(t *testing.T) {
	fset, all := files(t)
	for _, f := range all {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init", f.at(fset, fn))
			}
		}
	}
}

// linked are the variables of packages that are no tables, with who writes them.
var linked = map[string]string{"cmd/cli.version": "the linker",
	"ruleset/oracle/scene.files":    "the compiler, which embeds files",
	"cmd/inspect/report/page.files": "the compiler, which embeds files"}

// A variable of a package is a table or an error that is made once: nobody assigns to it.
func TestPackagesHoldNoState(t *testing.T) {
	fset, all := files(t)
	found := map[string]bool{}
	for _, f := range all {
		for _, v := range variables(f.syntax) {
			for i, name := range v.Names {
				id := f.room + "." + name.Name
				found[id] = true
				if _, exempt := linked[id]; !exempt && name.Name != "_" &&
					(len(v.Values) <= i || !isMadeOnce(v.Values[i])) {
					t.Errorf("%s: %s is neither a table nor an error", f.at(fset, v), name.Name)
				}
			}
		}
	}
	for id := range linked {
		if !found[id] {
			t.Errorf("%s is gone: take it off the list", id)
		}
	}
	for _, f := range all {
		for _, n := range written(f.syntax) {
			if found[f.room+"."+n.Name] {
				t.Errorf("%s: writes to %s", f.at(fset, n), n.Name)
			}
		}
	}
}

// variables returns those of the package that the file declares.
func variables(syntax *ast.File) []*ast.ValueSpec {
	var all []*ast.ValueSpec
	for _, d := range syntax.Decls {
		if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.VAR {
			for _, spec := range d.Specs {
				all = append(all, spec.(*ast.ValueSpec))
			}
		}
	}
	return all
}

// isMadeOnce reports whether an expression is a table, an error, or what a function makes of
// constants or panics (regexp.MustCompile).
func isMadeOnce(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		name := types.ExprString(e.Fun)
		return name == "errors.New" || name == "fmt.Errorf" || strings.Contains(name, ".Must")
	}
	return false
}

// written returns the names, not those of a function's own variables, that the file assigns to, or
// to parts of.
func written(syntax *ast.File) []*ast.Ident {
	var names []*ast.Ident
	own := map[any]bool{}
	for _, v := range variables(syntax) {
		own[v] = true
	}
	note := func(e ast.Expr) {
		if name := root(e); name != nil && (name.Obj == nil || own[name.Obj.Decl]) {
			names = append(names, name)
		}
	}
	ast.Inspect(syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				note(e)
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				note(n.X)
			}
		}
		return true
	})
	return names
}

// root is the variable that an expression is a part of, nil if there is none.
func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return nil
}
