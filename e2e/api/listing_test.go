package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/picket-project/picket/e2e/listing"
)

// listing is the canonical text of what the kernel of a node holds of Picket's, without the nodes
// of the cluster: those of other tests come and go.
func (w *testCluster) listing(node string) (string, error) {
	objects, err := listing.Read(func(options ...string) (string, error) {
		return w.inNode(node, "", append([]string{"nft"}, options...)...)
	})
	objects = slices.DeleteFunc(objects,
		func(o listing.Object) bool { return strings.HasSuffix(o.Name, "-nodes") })
	return listing.Canonical(objects), err
}

// stableListings returns what the kernels hold, by agent, once that does not change any more.
func (w *testCluster) stableListings() (all []string) {
	w.Helper()
	for _, a := range w.agents {
		last := ""
		eventually(w.T, wait, func() error {
			time.Sleep(200 * time.Millisecond)
			now, err := w.listing(a.node)
			if err == nil && now != last {
				err = fmt.Errorf("the rules of %s still change", a.node)
			}
			last = now
			return err
		})
		all = append(all, last)
	}
	return all
}

// compareAllWithFresh compares what kernels held with what agents make that find an empty one.
func (w *testCluster) compareAllWithFresh(held []string) {
	w.Helper()
	var all sync.WaitGroup
	for i, a := range w.agents {
		all.Go(func() {
			if err := w.compareWithFresh(a, held[i]); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
}

func (w *testCluster) compareWithFresh(a *agent, held string) error {
	stop(a.cmd)
	if _, err := w.inNode(a.node, "", program(), "cleanup"); err != nil {
		return err
	}
	if err := errors.Join(a.start(), poll(wait, a.Ready)); err != nil {
		return err
	}
	fresh, err := w.listing(a.node)
	if err == nil && strings.Count(fresh, "\n") < 2 { // the table is one
		err = fmt.Errorf("a fresh agent of %s makes nothing", a.node)
	}
	if diff := listing.Difference(held, fresh); err == nil && diff != "" {
		err = fmt.Errorf("%s: what the kernel held (-) is not what a fresh agent makes (+):\n%s",
			a.node, diff)
	}
	return err
}
