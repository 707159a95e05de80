package api

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

// reaches waits until just these pods reach web, in both families.
func (w *testCluster) reaches(names ...string) {
	w.Helper()
	w.reachesWithin(wait, names...)
}

func (w *testCluster) reachesWithin(deadline time.Duration, names ...string) {
	w.Helper()
	var probes []sandbox.Probe
	var want []bool
	for from, pod := range w.pods {
		for _, addr := range w.pods["web"].Addrs {
			if from != "web" {
				probes = append(probes,
					sandbox.Probe{From: pod.Name, To: w.pods["web"].Name, Addr: addr, Port: port})
				want = append(want, slices.Contains(names, from))
			}
		}
	}
	eventually(w.T, deadline, func() error {
		outcomes, err := w.cluster.Run(w.Context(), probes, 300*time.Millisecond)
		for i, o := range outcomes {
			if (o == sandbox.Open) != want[i] {
				err = errors.Join(err, fmt.Errorf("%v: %v", probes[i], o))
			}
		}
		return err
	})
}
