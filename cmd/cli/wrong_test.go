package cli_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/controller/source/manifests"
	kernel "github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// wrong is a file with something wrong in it, read beside testdata/wrong/good.yaml.
//
// A case of testdata/wrong/THEME.txtar is NAME.yaml (or NAME.json) and NAME.want: the problems that
// are told, one a line. NAME.flows is what must hold of traffic then, NAME.subjects the pods whose
// traffic may change at all; where a case has none, it is the theme's (flows, subjects).
type wrong struct {
	name, file     string // file is wrong.yaml or wrong.json
	content        string
	want, flows    string
	subjects       []string
	withoutOpinion bool // too big to ask the oracle
}

// wrongs are all cases: those of the themes, and those that a program has to write.
func wrongs(t testing.TB) []wrong {
	t.Helper()
	paths, err := filepath.Glob("testdata/wrong/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	all := hugeWrongs()
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(archive.Comment) == 0 || archive.Comment[0] != '#' {
			t.Errorf("%s does not start with a # paragraph that says what it shows", path)
		}
		all = append(all, theme(t, strings.TrimSuffix(filepath.Base(path), ".txtar"),
			archive.Files)...)
	}
	return all
}

func theme(t testing.TB, name string, files []txtar.File) []wrong {
	t.Helper()
	texts := map[string]string{}
	for _, f := range files {
		texts[f.Name] = string(f.Data)
	}
	own := func(row, what string) string {
		if text, has := texts[row+"."+what]; has {
			return text
		}
		return texts[what]
	}
	var rows []wrong
	for _, f := range files {
		extension := filepath.Ext(f.Name)
		if extension != ".yaml" && extension != ".json" {
			continue
		}
		row := strings.TrimSuffix(f.Name, extension)
		want, has := texts[row+".want"]
		if !has {
			t.Errorf("%s: no %s.want", name, row)
		}
		rows = append(rows, wrong{
			name: name + "/" + row, file: "wrong" + extension, content: string(f.Data),
			want: want, flows: own(row, "flows"), subjects: strings.Fields(own(row, "subjects")),
		})
	}
	return rows
}

// A bad object is told, once and in words; its pods stay isolated, everybody else is untouched, and
// the kernel takes what is left.
func TestWrongObjectsHoldUpNobody(t *testing.T) {
	folder := goodFolder(t)
	good := readWorld(t, folder)
	programs := map[string]*ruleset.Program{} // by their text: many cases come to the same
	for _, row := range wrongs(t) {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(folder, row.file)
			write(t, path, row.content)
			defer os.Remove(path)
			w := readWorld(t, folder)
			if diff := cmp.Diff(row.want, w.problems); diff != "" {
				t.Errorf("problems: want - got +\n%s", diff)
			}
			w.untouched(t, good, row.subjects)
			w.holds(t, row.flows)
			if !row.withoutOpinion {
				w.noWider(t, row.subjects)
			}
			programs[w.programs[0].String()] = w.programs[0]
		})
	}
	t.Run("in the kernel", func(t *testing.T) {
		b := freshKernel(t)
		for text, program := range programs {
			if err := install(t.Context(), b, program); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		}
	})
}

// goodFolder is a folder with testdata/wrong/good.yaml.
func goodFolder(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/wrong/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "good.yaml"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}

// world is a cluster, the programs of its nodes, n1 first, and what is wrong, one problem a line.
type world struct {
	*oracle.World
	programs []*ruleset.Program
	problems string
}

// readWorld compiles what a folder of manifests says, as the agents of its nodes do.
func readWorld(t testing.TB, folder string) world {
	t.Helper()
	all, unread, err := manifests.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, p := range unread {
		fmt.Fprintln(&lines, strings.ReplaceAll(p.Error(), folder+string(filepath.Separator), ""))
	}
	w := &oracle.World{Namespaces: all.Namespaces, Pods: all.Pods, Nodes: all.Nodes,
		Policies: all.Policies}
	snapshot := compile.SnapshotOf(policy.Objects(*w), "n1")
	first, wrong := compile.Compile(snapshot)
	for _, p := range wrong {
		fmt.Fprintln(&lines, p)
	}
	programs := []*ruleset.Program{first}
	for _, node := range otherNodes(w) {
		snapshot.Node = node
		program, _ := compile.Compile(snapshot)
		programs = append(programs, program)
	}
	return world{w, programs, lines.String()}
}

// otherNodes are n2 and those that pods say they are on, whether there is such a node or not.
func otherNodes(w *oracle.World) []string {
	nodes := map[string]bool{"n2": true}
	for _, p := range w.Pods {
		nodes[p.Spec.NodeName] = true
	}
	delete(nodes, "n1")
	return slices.Sorted(maps.Keys(nodes))
}

// allows reports whether the programs of both ends of a flow let it pass.
func (w world) allows(f ruleset.Flow) bool {
	return !slices.ContainsFunc(w.programs, func(p *ruleset.Program) bool {
		verdict, _ := p.Decide(f)
		return verdict == ruleset.Denied
	})
}

// addresses are those of all pods and nodes and some outside; but leaves out pods by name.
func (w world) addresses(but []string) []netip.Addr {
	addrs := []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2001:db8::1")}
	for _, p := range w.Pods {
		if !slices.Contains(but, p.Namespace+"/"+p.Name) {
			addrs = append(addrs, policy.PodAddrs(p)...)
		}
	}
	for _, n := range w.Nodes {
		addrs = append(addrs, policy.NewNode(n).Addrs...)
	}
	return addrs
}

// flows calls back for what one address may ask of another.
func flows(from, to []netip.Addr, each func(ruleset.Flow)) {
	for _, a := range from {
		for _, b := range to {
			if a.Is4() != b.Is4() {
				continue
			}
			for _, port := range []uint16{80, 81, 82} {
				each(ruleset.Flow{From: a, To: b, Proto: ruleset.TCP, Port: port})
			}
			each(ruleset.Flow{From: a, To: b, Proto: ruleset.UDP, Port: 53})
			each(ruleset.Flow{From: a, To: b})
		}
	}
}

// untouched compares the traffic between all but the subjects with that of the good world.
func (w world) untouched(t *testing.T, good world, subjects []string) {
	t.Helper()
	others := good.addresses(subjects)
	flows(others, others, func(f ruleset.Flow) {
		if got, want := w.allows(f), good.allows(f); got != want {
			t.Errorf("%v: allowed is %t, without the bad object %t", f, got, want)
		}
	})
}

// noWider compares the traffic of the subjects with the oracle: what it denies nobody allows.
func (w world) noWider(t testing.TB, subjects []string) {
	t.Helper()
	var own []netip.Addr
	for _, p := range w.Pods {
		if slices.Contains(subjects, p.Namespace+"/"+p.Name) {
			own = append(own, policy.PodAddrs(p)...)
		}
	}
	check := func(f ruleset.Flow) {
		asked := oracle.Flow{From: f.From, To: f.To, Port: int32(f.Port)}
		if f.Proto != ruleset.AnyProtocol {
			asked.Protocol = corev1.Protocol(strings.ToUpper(f.Proto.String()))
		}
		if w.allows(f) && !w.Allowed(asked) {
			t.Errorf("%v is allowed, the oracle denies it", f)
		}
	}
	all := w.addresses(nil)
	flows(own, all, check)
	flows(all, own, check)
}

// holds checks lines like "deny other/cli > bad/web@6 TCP 80": pods, nodes and addresses, @6 for
// the IPv6 address of a pod or node.
func (w world) holds(t *testing.T, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) != 4 && len(words) != 6 || words[2] != ">" {
			t.Fatalf("not a flow: %q", line)
		}
		f := ruleset.Flow{From: w.address(t, words[1]), To: w.address(t, words[3])}
		if len(words) == 6 {
			f.Proto, _ = ruleset.ParseProtocol(words[4])
			f.Port = uint16(numeral(t, words[5]))
		}
		if want := words[0] == "allow"; w.allows(f) != want {
			t.Errorf("%s: allowed is %t", strings.TrimSpace(line), !want)
		}
	}
}

func (w world) address(t *testing.T, word string) netip.Addr {
	t.Helper()
	if a, err := netip.ParseAddr(word); err == nil {
		return a
	}
	name, _, six := strings.Cut(word, "@6")
	var addrs []netip.Addr
	for _, p := range w.Pods {
		if p.Namespace+"/"+p.Name == name {
			addrs = policy.PodAddrs(p)
		}
	}
	for _, n := range w.Nodes {
		if n.Name == name {
			addrs = policy.NewNode(n).Addrs
		}
	}
	at := slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Is4() != six })
	if at < 0 {
		t.Fatalf("nobody has the address %s", word)
	}
	return addrs[at]
}

// freshKernel is the firewall of a new network namespace.
func freshKernel(t testing.TB) *kernel.Backend {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	fresh, err := netns.New()
	if err != nil {
		unavailable(t, err)
	}
	if err := netns.Set(home); err != nil {
		t.Fatal(err)
	}
	b := kernel.Open(kernel.Options{NetNS: int(fresh)})
	t.Cleanup(func() { _, _ = b.Close(), fresh.Close() })
	return b
}

// install brings a program into the kernel, whatever that holds, and finds it there.
func install(ctx context.Context, b *kernel.Backend, want *ruleset.Program) error {
	have, err := b.Observe(ctx)
	if err != nil {
		return err
	}
	if err := b.Apply(ctx, ruleset.Diff(have, want)); err != nil {
		return err
	}
	have, err = b.Observe(ctx)
	if err != nil {
		return err
	}
	if left := ruleset.Diff(have, want); !left.Empty() {
		return fmt.Errorf("left to do after apply:\n%s", left.String())
	}
	return nil
}
