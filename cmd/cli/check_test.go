//go:build linux

package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/nftables"

	"github.com/picket-project/picket/cmd/cli/sandbox"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/nft/iptables/ebtables"
)

// Packets count as right only if all arrive without a policy, and what the policy says with one.
func TestPacketsAsSaid(t *testing.T) {
	six := make([]sandbox.Probe, 6)
	for what, test := range map[string]struct {
		said sandbox.Document
		want grade
	}{
		"right":               {sandbox.Document{Probes: six, Before: 6, After: 5}, fine},
		"the network is cut":  {sandbox.Document{Probes: six, Before: 5, After: 5}, amiss},
		"the policy is blind": {sandbox.Document{Probes: six, Before: 6, After: 6}, amiss},
		"otherwise":           {sandbox.Document{Probes: six, Before: 6, After: 4, Differences: 1}, amiss},
	} {
		if got := packetsAsSaid(test.said); got.Grade != test.want {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// A program that cannot be run sends no packets, which is not taken for well.
func TestNoPackets(t *testing.T) {
	if got := lookAtPackets(t.Context(), "/proc", "/bin/false"); got.Grade != unclear {
		t.Errorf("%+v", got)
	}
	// Nor is one run where it would load a module.
	gone := filepath.Join(t.TempDir(), "bridge")
	if got := lookAtPackets(t.Context(), gone, "/bin/true"); got.Grade != unclear ||
		!strings.Contains(got.Text, "br_netfilter is not loaded") {
		t.Errorf("%+v", got)
	}
}

// The kernel lists open connections to root.
func TestLookAtConnections(t *testing.T) {
	want := fine
	if os.Geteuid() != 0 {
		want = warned
	}
	if got := lookAtConnections(t.Context()); got.Grade != want {
		t.Errorf("%+v", got)
	}
}

// kube-proxy says how it works; nobody has to.
func TestLookAtProxy(t *testing.T) {
	followed := false
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/elsewhere":
			followed = true
		default:
			fmt.Fprint(w, strings.TrimPrefix(r.URL.Path, "/"))
		}
	}))
	defer proxy.Close()
	for path, want := range map[string]looked{
		"/ipvs":         {"kube-proxy", fine, "mode ipvs"},
		"/nftables":     {"kube-proxy", fine, "mode nftables"},
		"/kernelspace":  {"kube-proxy", warned, `answers 200, "kernelspace"; expected a mode`},
		"/%1B%5B2Jipvs": {"kube-proxy", warned, `answers 200, "\x1b[2Jipvs"; expected a mode`},
		"/moved":        {"kube-proxy", warned, "answers 302, "},
	} {
		got := lookAtProxy(t.Context(), proxy.URL+path)
		if got.Grade != want.Grade || !strings.Contains(got.Text, want.Text) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if followed {
		t.Error("a redirect was followed")
	}
	proxy.Close()
	if got := lookAtProxy(t.Context(), proxy.URL); got.Grade != fine || !strings.HasPrefix(got.Text, "none") {
		t.Errorf("%+v", got)
	}
}

// What a kernel lacks is warned of, one thing a line; without nf_tables, what iptables lacks, too.
func TestLookAtKernel(t *testing.T) {
	here := newNetns(t)
	for feature, remove := range map[string]func(*nft.Features){
		"table_owner":       func(f *nft.Features) { f.Owner = false },
		"deletion_at_once":  func(f *nft.Features) { f.DeleteAtOnce = false },
		"source_in_forward": func(f *nft.Features) { f.SourceInForward = false },
		"bridge_hooks":      func(f *nft.Features) { f.Bridge = false },
		"nf_tables":         func(f *nft.Features) { f.NfTables = false },
	} {
		var parts []looked
		must(t, here.Do(func() error {
			parts = lookAtKernel(t.Context(), lacking(remove))
			return nil
		}))
		lacks := map[string]bool{}
		for _, p := range parts {
			name, _, _ := strings.Cut(p.Text, " (")
			lacks[name] = p.Grade == warned
		}
		switch {
		case feature != "nf_tables":
			if !lacks[feature] || parts[0].Grade != fine {
				t.Errorf("%s: %+v", feature, parts)
			}
		case parts[0].Grade == amiss: // this machine has no legacy iptables
			if len(parts) != 1 || !strings.Contains(parts[0].Text, "iptables does not do either") {
				t.Errorf("%+v", parts)
			}
		case parts[0].Grade != warned || !lacks["table_owner"] || !lacks["bridge_hooks"] && !ebtablesIn(here.Do):
			t.Errorf("%+v", parts)
		}
	}
}

// ebtablesIn reports whether there is legacy ebtables where do does something: the backend iptables
// uses it for what is on bridges.
func ebtablesIn(do func(func() error) error) bool {
	return do(func() error {
		kernel, err := ebtables.Dial()
		if err != nil {
			return err
		}
		defer kernel.Close()
		_, err = kernel.Read("nat")
		return err
	}) == nil
}

// On a node that is as it should be nothing is wrong but what this machine lacks; another engine is
// seen by its table.
func TestLookAtNode(t *testing.T) {
	here := newNetns(t)
	look := func() map[string]looked {
		parts := map[string]looked{}
		must(t, here.Do(func() error {
			list, err := lookAtNode(context.Background(), false)
			for _, p := range list {
				part, _, _ := strings.Cut(p.Part, " ")
				parts[part] = p
			}
			return err
		}))
		return parts
	}
	before := look()
	for _, part := range []string{"kernel", "others", "flowtables", "agent", "kube-proxy"} {
		if got, there := before[part]; !there || got.Grade == amiss || got.Grade == unclear {
			t.Errorf("%s: %+v", part, got)
		}
	}
	must(t, here.Do(func() error {
		c := &nftables.Conn{}
		c.AddTable(&nftables.Table{Name: "kube-network-policies", Family: nftables.TableFamilyINet})
		return c.Flush()
	}))
	if got := look()["others"]; got.Grade != amiss || !strings.Contains(got.Text, "kube-network-policies") {
		t.Errorf("%+v", got)
	}
}

// Whoever has legacy iptables is told what could not be looked at, and nobody else.
func TestLegacyChains(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	write("lists", "#!/bin/sh\necho '*filter\n:KUBE-ROUTER-INPUT - [0:0]\nCOMMIT'\n", 0o700)
	write("fails", "#!/bin/sh\necho no rights >&2\nexit 4\n", 0o700)
	tables, none := write("tables", "nat\nfilter\n", 0o600), write("none", "", 0o600)
	for _, test := range []struct {
		of    legacy
		names int
		lack  string // empty: nothing
	}{
		{legacy{"lists", tables}, 1, ""},
		{legacy{"fails", none}, 0, "fails: exit status 4: no rights"},
		{legacy{"absent", none}, 0, ""},
		{legacy{"absent", dir + "/absent"}, 0, ""},
		{legacy{"absent", tables}, 0, "(nat, filter), and absent is not installed"},
		{legacy{"absent", dir}, 0, "is a directory"},
	} {
		names, lacks := legacyChains(t.Context(), []legacy{test.of})
		got := strings.Join(lacks, "; ")
		if len(names) != test.names || (got == "") != (test.lack == "") || !strings.Contains(got, test.lack) {
			t.Errorf("%+v: %v, %q", test.of, names, got)
		}
	}
}

// Nobody is told of a cluster that there is none of; one that was meant and cannot be asked is
// told.
func TestCheckWithoutACluster(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	must(t, os.WriteFile(broken, []byte("clusters: 7"), 0o600))
	t.Setenv("HOME", dir)
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for variable, asked := range map[string]bool{filepath.Join(dir, "absent"): false, broken: true} {
		t.Setenv("KUBECONFIG", variable)
		var o checkOptions
		parts, got := o.checkCluster(t.Context())
		if got != asked || asked && (len(parts) != 1 || parts[0].Grade != unclear) {
			t.Errorf("KUBECONFIG=%s: %v, %+v", variable, got, parts)
		}
	}
}
