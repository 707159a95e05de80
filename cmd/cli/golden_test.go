package cli_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

var update = flag.Bool("update", false,
	"write the golden files anew; read the difference before you commit it")

// golden is a case of testdata/render: manifests (*.yaml), and what the verbs print for them.
// render.flags and matrix.flags hold flags beside --manifests and --node-name n1; matrix and
// the text for iptables are asked for where their files are there.
type golden struct {
	path    string
	archive *txtar.Archive
	folder  string // with the manifests
}

// goldens reads all cases and writes their manifests into folders.
func goldens(t *testing.T) map[string]*golden {
	t.Helper()
	paths, err := filepath.Glob("testdata/render/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	cases := map[string]*golden{}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g := &golden{path, archive, t.TempDir()}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				write(t, filepath.Join(g.folder, f.Name), string(f.Data))
			}
		}
		cases[strings.TrimSuffix(filepath.Base(path), ".txtar")] = g
	}
	return cases
}

// file returns a file of the case, and whether it is there.
func (g *golden) file(name string) (string, bool) {
	at := slices.IndexFunc(g.archive.Files, func(f txtar.File) bool { return f.Name == name })
	if at < 0 {
		return "", false
	}
	return string(g.archive.Files[at].Data), true
}

// put replaces a file of the case; an empty text takes it out.
func (g *golden) put(name, text string) {
	g.archive.Files = slices.DeleteFunc(g.archive.Files,
		func(f txtar.File) bool { return f.Name == name })
	if text != "" {
		g.archive.Files = append(g.archive.Files, txtar.File{Name: name, Data: []byte(text)})
	}
}

// goldenFiles are what print returns.
var goldenFiles = []string{"program", "nft", "iptables", "matrix", "stderr"}

// print runs the verbs and returns what they print, by the names of the files.
func (g *golden) print(t *testing.T) map[string]string {
	t.Helper()
	renderFlags, _ := g.file("render.flags")
	matrixFlags, _ := g.file("matrix.flags")
	render := append([]string{"render", "-f", g.folder, "--node-name", "n1"},
		strings.Fields(renderFlags)...)
	printed := map[string]string{}
	printed["program"], printed["stderr"] = succeed(t, append(render, "-o", "program")...)
	printed["nft"], _ = succeed(t, render...)
	if _, asked := g.file("matrix"); asked {
		printed["matrix"], _ = succeed(t, append([]string{"matrix", "--grid", "-f", g.folder},
			strings.Fields(matrixFlags)...)...)
	}
	if _, asked := g.file("iptables"); asked {
		printed["iptables"], _ = succeed(t, append(render, "-o", "iptables")...)
	}
	printed["stderr"] = strings.ReplaceAll(printed["stderr"], g.folder+string(filepath.Separator),
		"")
	return printed
}

// What render prints is what the golden files say, and what the oracle allows.
func TestGoldens(t *testing.T) {
	for name, g := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			if len(g.archive.Comment) == 0 || g.archive.Comment[0] != '#' {
				t.Errorf("%s does not start with a # paragraph that says what it shows", g.path)
			}
			printed := g.print(t)
			if *update {
				for _, file := range goldenFiles {
					g.put(file, printed[file])
				}
				write(t, g.path, string(txtar.Format(g.archive)))
			}
			for _, file := range goldenFiles {
				want, _ := g.file(file)
				if diff := cmp.Diff(want, printed[file]); diff != "" {
					t.Errorf("%s: want - got +, go test ./cmd/cli -update writes it anew\n%s", file,
						diff)
				}
			}
			g.agree(t)
		})
	}
}

// agree holds the programs of all nodes and the matrices against the oracle: a golden alone only
// says that nothing has changed.
func (g *golden) agree(t *testing.T) {
	t.Helper()
	all, _, err := manifests.Load(g.folder)
	if err != nil {
		t.Fatal(err)
	}
	w := &oracle.World{Namespaces: all.Namespaces, Pods: all.Pods, Nodes: all.Nodes,
		Policies: all.Policies}
	programs := programsOf(w)
	for _, f := range w.Flows() {
		flow := ruleset.Flow{From: f.From, To: f.To, Proto: protocolOf(f.Protocol),
			Port: uint16(f.Port)}
		for _, p := range programs {
			if verdict, trace := p.Decide(flow); verdict == ruleset.Denied && w.Allowed(f) {
				t.Fatalf("%v: the oracle allows it: %v", f, trace)
			}
		}
		denied := func(p *ruleset.Program) bool {
			verdict, _ := p.Decide(flow)
			return verdict == ruleset.Denied
		}
		if !w.Allowed(f) && !slices.ContainsFunc(programs, denied) {
			t.Fatalf("%v: the oracle denies it, no node does", f)
		}
	}
	for _, ask := range []string{"tcp 80", "tcp 81", "tcp 8080", "tcp 8443", "tcp 9100",
		"tcp 15090", "udp 53", "sctp 9"} {
		g.agreeMatrix(t, w, strings.Fields(ask))
	}
}

// programsOf compiles the program of every node of a world.
func programsOf(w *oracle.World) []*ruleset.Program {
	snapshot := compile.SnapshotOf(policy.Objects(*w), "")
	var programs []*ruleset.Program
	for _, node := range []string{"n1", "n2"} {
		snapshot.Node = node
		program, _ := compile.Compile(snapshot)
		programs = append(programs, program)
	}
	return programs
}

func protocolOf(p corev1.Protocol) ruleset.Protocol {
	proto, _ := ruleset.ParseProtocol(string(p)) // else any
	return proto
}

// agreeMatrix compares what matrix prints with the oracle, for each family and for both.
func (g *golden) agreeMatrix(t *testing.T, w *oracle.World, ask []string) {
	t.Helper()
	proto, port := corev1.Protocol(strings.ToUpper(ask[0])), numeral(t, ask[1])
	for _, family := range []string{"0", "4", "6"} {
		text, _ := succeed(t, "matrix", "--grid", "-f", g.folder, "-o", "json", "--protocol", ask[0],
			"--port", ask[1], "--family", family)
		var m inspect.Matrix
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		for i, from := range m.Pods {
			for j, to := range m.Pods {
				if want := reaches(w, pair{from, to, family}, proto,
					int32(port)); m.Allowed[i][j] != want {
					t.Errorf("matrix --family %s %v: %s > %s is %t, the oracle says %t", family,
						ask, from, to, !want, want)
				}
			}
		}
	}
}

// pair is two pods and the family (4, 6) that counts; 0 is both.
type pair struct{ from, to, family string }

// reaches asks the oracle about the addresses of two pods: they need a common family, and every one
// must do.
func reaches(w *oracle.World, p pair, proto corev1.Protocol, port int32) bool {
	common := false
	for _, from := range addressesOf(w, p.from) {
		for _, to := range addressesOf(w, p.to) {
			counts := p.family == "0" || from.Is4() == (p.family == "4")
			if from.Is4() != to.Is4() || !counts {
				continue
			}
			common = true
			if !w.Allowed(oracle.Flow{From: from, To: to, Protocol: proto, Port: port}) {
				return false
			}
		}
	}
	return common
}

// addressesOf lists the addresses of a pod, a node, or the address that a text is.
func addressesOf(w *oracle.World, id string) []netip.Addr {
	var addrs []netip.Addr
	for _, p := range w.Pods {
		if p.Namespace+"/"+p.Name == id {
			for _, ip := range p.Status.PodIPs {
				addrs = append(addrs, netip.MustParseAddr(ip.IP))
			}
		}
	}
	return addrs
}

// What a selector means is its set's name; who it is at the moment is not.
func TestRelabellingANamespaceChangesMembersOnly(t *testing.T) {
	cases := goldens(t)
	before, _ := cases["namespace-selector"].file("program")
	after, _ := cases["namespace-relabelled"].file("program")
	var added, gone []string
	old := strings.Split(before, "\n")
	for line := range strings.SplitSeq(after, "\n") {
		if !slices.Contains(old, line) {
			added = append(added, strings.TrimSpace(line))
		}
	}
	for _, line := range old {
		if !slices.Contains(strings.Split(after, "\n"), line) {
			gone = append(gone, line)
		}
	}
	if !slices.Equal(slices.Compact(added), []string{"10.244.2.4"}) || gone != nil {
		t.Errorf("added %q, gone %q", added, gone)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
