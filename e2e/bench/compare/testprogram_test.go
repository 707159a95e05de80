package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBenchmarked(t *testing.T) {
	top := t.TempDir()
	for path, text := range map[string]string{
		"a/a_test.go":       "package a\n\nfunc BenchmarkA(b *testing.B) {}\n",
		"a/more_test.go":    "package a\n\nfunc BenchmarkB(b *testing.B) {}\n",
		"b/b_test.go":       "package b\n\nfunc TestB(t *testing.T) {}\n",
		"c/c.go":            "package c\n\nfunc BenchmarkC(b *testing.B) {}\n",
		"d/below/d_test.go": "package d\n\nfunc BenchmarkD(b *testing.B) {}\n",
	} {
		path = filepath.Join(top, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := benchmarked(top)
	want := []string{filepath.Join(top, "a"), filepath.Join(top, "d/below")}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if none, err := benchmarked(filepath.Join(top, "nowhere")); len(none) > 0 || err != nil {
		t.Errorf("nowhere: %v, %v", none, err)
	}
}

func TestParse(t *testing.T) {
	if _, err := parse(nil); err == nil {
		t.Error("no revision is no error")
	}
	o, err := parse([]string{"-rounds", "7", "HEAD~1"})
	want := options{revision: "HEAD~1", bench: ".", time: "200ms", rounds: 7}
	if err != nil || o != want {
		t.Errorf("got %v, %v", o, err)
	}
}
