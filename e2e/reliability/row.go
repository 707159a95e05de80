package main

import (
	"context"
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

// built is a row that needs a program beside those of all rows.
type built interface {
	Build(context.Context, folders) error
}

// prepared is a row that needs something before the agents start.
type prepared interface {
	Prepare(*testbed) error
}

// plan is what the agents of a row are like. The zero value is the product as it is shipped.
type plan struct {
	free   bool // nobody owns the table: --own-table=false
	strict bool // --unknown-pods=deny
	// a machine for an API server is beside the nodes
	apiServer bool
	ipv4      bool // there is no traffic of IPv6
}

// rows lists all of them, the fast ones first.
func rows() []row {
	all := []row{
		upgrade{}, backendChange{}, twoAgents{}, twoAgents{free: true}, tamperOwned{}, unrelated{},
		restart{}, output{}, &tunnels{},
		foreignCommits{}, foreignCommits{free: true}, message{}, conntrack{},
		switchOff{}, switchOff{readOnly: true}, forged{}, tamperFree{}, kernelErrors{}, buffers{},
		descriptors{},
		openConnections{}, flood{}, podStart{}, boot{}, claims{}, &spoofing{}, &clock{}, diskFull{},
		badInput{}, tenant{}, budgets{}, soak{},
	}
	for _, e := range engines() {
		all = append(all, &moving{engine: e})
	}
	return all
}

// byName reports whether a row takes so long, or is built from so much, that only its name picks it.
func byName(r row) bool {
	_, moves := r.(*moving)
	return moves || r == soak{}
}

// choose picks rows by their names, separated by commas; for no name all but those of byName.
func choose(all []row, names string) ([]row, error) {
	if names == "" {
		return slices.DeleteFunc(all, byName), nil
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
