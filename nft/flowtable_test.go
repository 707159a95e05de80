package nft

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// Flowtables are found in any table that can have some, and one's own table has none. A kernel
// without them is no error.
func TestFlowtablesOfOthersAreFound(t *testing.T) {
	newNetns(t)
	b := open(t, Options{})
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	if names, err := b.Flowtables(t.Context()); err != nil || len(names) > 0 {
		t.Fatalf("in a new namespace: %v, %v", names, err)
	}
	priority := nftables.FlowtablePriorityFilter
	for _, family := range []nftables.TableFamily{nftables.TableFamilyINet,
		nftables.TableFamilyIPv4} {
		conn.AddFlowtable(&nftables.Flowtable{
			Table: conn.AddTable(&nftables.Table{Name: "fast", Family: family}), Name: "ft",
			Hooknum: nftables.FlowtableHookIngress, Priority: priority, Devices: []string{"lo"},
		})
	}
	switch err := conn.Flush(); {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP),
		errors.Is(err, os.ErrNotExist):
		t.Skipf("SKIPPED, NOTHING WAS TESTED: this kernel has no flowtables: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	names, err := b.Flowtables(t.Context())
	if want := []string{"inet fast ft", "ip fast ft"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %v, %v; expected %v", names, err, want)
	}
}
