package iptables

import (
	"fmt"
	"slices"

	goiptables "github.com/coreos/go-iptables/iptables"

	"github.com/picket-project/picket/ruleset"
)

// oldest is the first version whose program for loading rules waits for a lock that others hold, for
// a time that is given.
var oldest = []int{1, 6, 2}

// versionOf returns which version the legacy program of a family is, such as 1.8.9. An error says that
// it is not there, or older than what is needed.
func versionOf(f ruleset.Family) (string, error) {
	name := families[f].program
	program, err := goiptables.New(goiptables.IPFamily(families[f].protocol), goiptables.Path(name))
	if err != nil {
		return "", explained(name, "", err)
	}
	major, minor, patch := program.GetIptablesVersion()
	version := fmt.Sprintf("%d.%d.%d", major, minor, patch)
	if slices.Compare([]int{major, minor, patch}, oldest) < 0 {
		return version, fmt.Errorf("%s is of version %s; expected %d.%d.%d or newer", name, version,
			oldest[0], oldest[1], oldest[2])
	}
	return version, nil
}
