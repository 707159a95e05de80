package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Without anybody to ask, the kernel is the one that was the newest the last time, if it is whole.
func TestFetchWithoutNetwork(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // without apt
	cache, k := t.TempDir(), kernel{name: "6.1", suite: "bookworm", nft: "bookworm", prefix: "6.1."}
	const release = "6.1.0-50-amd64"
	if i, err := k.fetch(context.Background(), cache); err == nil {
		t.Errorf("from nowhere: %+v", i)
	}
	for _, dir := range []string{filepath.Join("images", release), filepath.Join("nft", k.nft)} {
		if err := os.MkdirAll(filepath.Join(cache, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(cache, "nft", k.nft, "nft")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := k.remember(cache, release); err != nil {
		t.Fatal(err)
	}
	if i, err := k.fetch(context.Background(), cache); err == nil {
		t.Errorf("half an image: %+v", i)
	}
	put(t, filepath.Join(cache, "images", release, "complete"), "")
	if i, err := k.fetch(context.Background(), cache); err != nil || i.release != release || i.nft == "" {
		t.Errorf("%+v, %v", i, err)
	}
}

// aptWithout is an apt whose machine has a mirror; it finds a suite only where its sources name
// that place.
const aptWithout = `#!/bin/sh
case "$*" in
*indextargets*) echo "Debian http://mirror.example/debian/" ;;
*) for arg; do case $arg in Dir::Etc::sourcelist=*) exec grep -q PLACE "${arg#*=}" ;; esac; done ;;
esac
`

// A suite that the mirror has dropped is asked for where old ones go; elsewhere that does not
// matter.
func TestOldSuiteIsInTheArchive(t *testing.T) {
	for place, isOld := range map[string]bool{"http://mirror.example/debian-security old": false,
		"http://archive.debian.org/debian-security old": true} {
		bin := t.TempDir()
		script := strings.ReplaceAll(aptWithout, "PLACE", "'"+place+"'")
		if err := os.WriteFile(filepath.Join(bin, "apt-get"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		d, err := newDebian(context.Background(), t.TempDir(), "old-security")
		if old := slices.Contains(d.args, "Acquire::Check-Valid-Until=false"); err != nil || old != isOld {
			t.Errorf("%s: %v, %v", place, d.args, err)
		}
		if _, err := newDebian(context.Background(), t.TempDir(), "none"); err == nil {
			t.Error("a suite that is nowhere is found")
		}
	}
}

// A program of nft in the cache that has lost its libraries is not taken.
func TestFetchNftThatDoesNotRun(t *testing.T) {
	cache, k := t.TempDir(), kernel{nft: "bookworm"}
	dir := filepath.Join(cache, "nft", k.nft)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nft"), []byte(nftScript), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir()) // without apt
	if program, err := k.fetchNft(context.Background(), cache); err == nil {
		t.Error(program)
	}
}

// Two at once do not use the cache together.
func TestLockCache(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	unlock, err := lockCache(cache)
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan error)
	go func() {
		unlock, err := lockCache(cache)
		if err == nil {
			err = unlock()
		}
		taken <- err
	}()
	select {
	case err := <-taken:
		t.Fatalf("taken twice: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

// A machine that did not begin its command is told from one that did not end it.
func TestUnended(t *testing.T) {
	control := t.TempDir()
	if err := unended(control); err != errNotBegun {
		t.Errorf("%v", err)
	}
	put(t, filepath.Join(control, "begun"), "")
	if err := unended(control); err != errUnfinished {
		t.Errorf("%v", err)
	}
}
