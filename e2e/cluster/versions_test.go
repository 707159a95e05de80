package main

import (
	"os"
	"strings"
	"testing"
)

// TestModulesHaveTheVersions compares what the go.mod files ask for with versions.env.
func TestModulesHaveTheVersions(t *testing.T) {
	for _, c := range []struct{ file, requires, name string }{
		{"../kubernetes/go.mod", "k8s.io/kubernetes", "KUBERNETES"},
		{"../etcd/go.mod", "go.etcd.io/etcd/server/v3", "ETCD"},
		{"../flannel/go.mod", "github.com/flannel-io/flannel", "FLANNEL"},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		if want := c.requires + " v" + versionOf(c.name); !strings.Contains(string(text)+"\n",
			want) {
			t.Errorf("%s: no %q; run e2e/pin", c.file, want)
		}
	}
}

// TestEveryVersionIsKnown looks for the versions that the build reads.
func TestEveryVersionIsKnown(t *testing.T) {
	for _, name := range []string{
		"KUBERNETES", "AGNHOST", "PAUSE", "ETCD", "CONTAINERD", "RUNC", "CNI_PLUGINS",
		"FLANNEL_PLUGIN",
	} {
		if versionOf(name) == "" {
			t.Errorf("versions.env does not name %s", name)
		}
	}
}
