package main

import (
	_ "embed"
	"strings"
)

//go:embed versions.env
var versionsFile string

// versionOf returns a program's version from versions.env; empty where that does not name it.
func versionOf(name string) string {
	for line := range strings.Lines(versionsFile) {
		if version, found := strings.CutPrefix(strings.TrimSpace(line), name+"="); found {
			return version
		}
	}
	return ""
}
