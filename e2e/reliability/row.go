package main

import (
	"fmt"
	"slices"
	"strings"
)

// row is a fault and what must hold meanwhile: one file, one line of the table.
type row interface {
	Name() string
	Plan() plan
	// Inject causes the fault while traffic runs. What it does, and what does not hold, it reports
	// to the testbed; its error says that it could not go on.
	Inject(*testbed) error
}

// checkedUnfiltered is a row that first shows what happens while nobody filters.
type checkedUnfiltered interface {
	CheckUnfiltered(*testbed) error
}

// plan is what the agents of a row are like. The zero value is the product as it is shipped.
type plan struct {
	free   bool // nobody owns the table: --own-table=false
	strict bool // --unknown-pods=deny
}

// rows lists all of them, the fast ones first.
func rows() []row {
	return []row{
		upgrade{}, backendChange{}, twoAgents{}, twoAgents{free: true}, tamperOwned{}, unrelated{},
		restart{}, output{}, &tunnels{},
		foreignCommits{}, foreignCommits{free: true}, message{}, conntrack{},
		switchOff{}, switchOff{readOnly: true}, forged{}, tamperFree{}, kernelErrors{}, buffers{},
		descriptors{},
		openConnections{}, flood{}, podStart{}, boot{}, claims{}, &spoofing{}, &clock{}, diskFull{},
		badInput{}, tenant{}, budgets{}, soak{},
	}
}

// choose picks rows by their names, separated by commas; for no name all but the soak.
func choose(all []row, names string) ([]row, error) {
	if names == "" {
		return slices.DeleteFunc(all, func(r row) bool { return r == soak{} }), nil
	}
	var chosen []row
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(r row) bool { return r.Name() == name })
		if i < 0 {
			return nil, fmt.Errorf("-rows: no row %q; expected some of %s", name, namesOf(all))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func namesOf(all []row) string {
	var names []string
	for _, r := range all {
		names = append(names, r.Name())
	}
	return strings.Join(names, ",")
}
