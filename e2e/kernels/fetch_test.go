package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
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
	put(t, filepath.Join(cache, "nft", k.nft, "nft"), nftScript)
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
