package cli

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/nft"
)

// lacking is a kernel that is taken to lack something besides what it lacks.
func lacking(remove func(*nft.Features)) nft.Prober {
	return func(netns int) (nft.Features, error) {
		has, err := nft.Probe(netns)
		if remove(&has); err == nil && !has.NfTables {
			err = nft.ErrNoNfTables
		}
		return has, err
	}
}

// An agent says what its kernel lacks in the first line of its log, at /readyz and by a metric,
// whether it gets ready or not. What could not be asked is not said to be lacking.
func TestAgentSaysWhatItsKernelLacks(t *testing.T) {
	for _, test := range []struct {
		name, backend string
		probe         nft.Prober
		first         string   // in the first line of the log
		health        []string // in /readyz
		metric        string
	}{
		{"table_owner", autoBackend, lacking(func(f *nft.Features) { f.Owner = false }),
			"lacks=[table_owner", []string{" 200 ", "table_owner (Linux 6.9)", `"watched"`}, "table_owner"},
		{"deletion_at_once", autoBackend, lacking(func(f *nft.Features) { f.DeleteAtOnce = false }),
			"deletion_at_once", []string{" 200 ", "deletion_at_once (Linux 6.2)"}, "deletion_at_once"},
		{"source_in_forward", autoBackend, lacking(func(f *nft.Features) { f.SourceInForward = false }),
			"source_in_forward", []string{" 200 ", "source_in_forward (Linux 5.17)"}, "source_in_forward"},
		{"bridge_hooks", autoBackend, lacking(func(f *nft.Features) { f.Bridge = false }),
			"bridge_hooks]", []string{" 200 ", "bridge_hooks (Linux 3.14)"}, "bridge_hooks"},
		{"nf_tables", nftablesBackend, lacking(func(f *nft.Features) { f.NfTables = false }),
			"lacks=[nf_tables]", []string{" 503 ", "nf_tables (Linux 3.13)", "modprobe nf_tables"},
			"nf_tables"},
		{"no answer", autoBackend, func(int) (nft.Features, error) { return nft.Features{}, unix.EMFILE },
			`lacks="[not known: too many open files]"`, []string{" 503 ", "too many open files"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			here, dir := newNetns(t), t.TempDir()
			log, err := os.Create(filepath.Join(t.TempDir(), "log"))
			must(t, err)
			t.Cleanup(func() { log.Close() })
			must(t, here.Do(podBridge))
			put(t, dir, "cluster.yaml", ownPod)
			runLogged(t, here, agentOptions{node: "n1", manifests: []string{dir}, health: health,
				deny: "drop", own: true, backend: test.backend, probe: test.probe}, log)
			waitSaid(t, here, "/readyz", test.health...)
			text, err := os.ReadFile(log.Name())
			must(t, err)
			first, _, _ := strings.Cut(string(text), "\n")
			if !strings.Contains(first, `msg="agent started"`) || !strings.Contains(first, test.first) {
				t.Errorf("the first line of the log: %s; expected %s", first, test.first)
			}
			if test.metric != "" {
				waitSaid(t, here, "/metrics",
					fmt.Sprintf("picket_kernel_feature{feature=%q} 0", test.metric))
			} else if answer := answerOf(here, "/metrics"); strings.Contains(answer, "picket_kernel_feature{") {
				t.Errorf("a metric says what was not found out:\n%s", answer)
			}
		})
	}
}

// answerOf is the whole answer of an agent, empty if there is none.
func answerOf(where sandbox.Netns, path string) string {
	var answer []byte
	_ = where.Do(func() error {
		conn, err := net.Dial("tcp", health)
		if err != nil {
			return err
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.0\r\n\r\n", path)
		answer, err = io.ReadAll(conn)
		return err
	})
	return string(answer)
}

// waitSaid waits for an answer of an agent with all of these texts in it.
func waitSaid(t *testing.T, where sandbox.Netns, path string, texts ...string) {
	t.Helper()
	answer, missing := "", "anything"
	for deadline := time.Now().Add(time.Minute); missing != ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not say %s, but:\n%s", path, missing, answer)
		}
		answer, missing = answerOf(where, path), ""
		for _, text := range texts {
			if !strings.Contains(answer, text) {
				missing = text
			}
		}
	}
}
