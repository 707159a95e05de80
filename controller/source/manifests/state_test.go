package manifests

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const broken = "---\nkind: [\n"

// step is one thing that happens to a file, and what a receiver of updates has after it.
type step struct {
	file, content string // content "-": gone; "!": cannot be read
	want          string
	changes       string // "+pod/x" or "-pod/x", in the order of the Update
	problems      int
	unread        bool
}

func TestState(t *testing.T) {
	for name, steps := range map[string][]step{
		"a spoiled file keeps its last good state": {
			{"a", podsYAML("p", "q"), "pod/default/p@n1 pod/default/q@n1", "+p +q", 0, false},
			{"a", podsYAML("r") + broken, "pod/default/p@n1 pod/default/q@n1", "", 1, false},
			{"a", "!", "pod/default/p@n1 pod/default/q@n1", "", 1, false},
			{"a", podsYAML("r"), "pod/default/r@n1", "+r -p -q", 0, false},
		},
		"a file that was never good": {
			{"a", podsYAML("p", "q") + broken, "pod/default/p@n1 pod/default/q@n1", "+p +q", 1,
				true},
			{"a", podYAML("p", "n2") + broken, "pod/default/p@n2 pod/default/q@n1", "+p", 1, true},
			{"a", "!", "pod/default/p@n2 pod/default/q@n1", "", 1, true},
			{"a", podYAML("p", "n3"), "pod/default/p@n3", "+p -q", 0, false},
			{"a", broken, "pod/default/p@n3", "", 1, false},
		},
		"an unread file that goes away": {
			{"a", "!", "", "", 1, true},
			{"a", "-", "", "", 0, false},
		},
		"a duplicate takes over and gives back": {
			{"a", podYAML("p", "n2"), "pod/default/p@n2", "+p", 0, false},
			{"b", podYAML("p", "n1"), "pod/default/p@n1", "+p", 1, false},
			{"a", podYAML("p", "n3"), "pod/default/p@n1", "", 1, false},
			{"b", "-", "pod/default/p@n3", "+p", 0, false},
			{"a", "-", "", "-p", 0, false},
		},
		"an equal duplicate takes over unnoticed": {
			{"a", podsYAML("p"), "pod/default/p@n1", "+p", 0, false},
			{"b", podsYAML("p"), "pod/default/p@n1", "", 1, false},
			{"a", "-", "pod/default/p@n1", "", 0, false},
		},
		"a duplicate in the same file": {
			{"a", podYAML("p", "n1") + "---\n" + podYAML("p", "n2"), "pod/default/p@n2", "+p", 1,
				false},
			{"a", podYAML("p", "n1"), "pod/default/p@n1", "+p", 0, false},
		},
		"the last good state of a spoiled file still yields to a file after it": {
			{"a", podYAML("p", "n2"), "pod/default/p@n2", "+p", 0, false},
			{"a", broken, "pod/default/p@n2", "", 1, false},
			{"b", podYAML("p", "n1"), "pod/default/p@n1", "+p", 2, false},
		},
		"the order: set namespaces to pods, gone pods to namespaces": {
			{"a", podsYAML("p") + "---\n" + policyYAML +
				"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: s}\n",
				"ns/s policy/shop/deny pod/default/p@n1", "+s +deny +p", 0, false},
			{"a", podsYAML("q") + "---\n" + strings.Replace(policyYAML, "deny", "other", 1),
				"policy/shop/other pod/default/q@n1", "+other +q -p -deny -s", 0, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, v := newState(), &view{}
			for i, st := range steps {
				st.happen(s)
				u, _ := s.takeUpdate()
				v.apply(u)
				if v.summary() != st.want || changes(u) != st.changes {
					t.Fatalf("step %d: %q, changes %q\nwant %+v", i, v.summary(), changes(u), st)
				}
				if len(u.Problems) != st.problems || u.Unread != st.unread {
					t.Fatalf("step %d: unread %v, problems %v\nwant %+v", i, u.Unread, u.Problems,
						st)
				}
			}
		})
	}
}

func (st step) happen(s *state) {
	switch st.content {
	case "-":
		s.setRead(fileID{path: st.file}, nil, errAbsent)
	case "!":
		s.setRead(fileID{path: st.file}, nil, errors.New("cannot be read"))
	default:
		s.setRead(fileID{path: st.file}, []byte(st.content), nil)
	}
}

func changes(u Update) string {
	var words []string
	for _, c := range u.Changes {
		sign := "+"
		if c.Gone() {
			sign = "-"
		}
		words = append(words, sign+c.Name)
	}
	return strings.Join(words, " ")
}

func TestNothingNewIsNoUpdate(t *testing.T) {
	s := newState()
	s.setContent(fileID{path: "a"}, []byte(podsYAML("p")+broken))
	if _, fresh := s.takeUpdate(); !fresh {
		t.Error("the first is new")
	}
	s.setContent(fileID{path: "a"}, []byte("# a comment\n"+podsYAML("p")+broken))
	if u, fresh := s.takeUpdate(); fresh {
		t.Errorf("new: %+v", u)
	}
}

func TestUnchangedDocumentsAreNotParsedAgain(t *testing.T) {
	s, v := newState(), &view{}
	s.setContent(fileID{path: "a"}, []byte(podsYAML("p", "q")))
	u, _ := s.takeUpdate()
	v.apply(u)
	old := v.objects[Key{Pod, "default", "q"}].Object
	s.setContent(fileID{path: "a"}, []byte(podsYAML("new", "p", "q")))
	u, _ = s.takeUpdate()
	if changes(u) != "+new" {
		t.Errorf("changes %q", changes(u))
	}
	if now := s.claims.current(Key{Pod, "default", "q"}); now != old {
		t.Error("pod q was parsed again")
	}
}

func TestSkippedIsASum(t *testing.T) {
	s := newState()
	for content, want := range map[string]int{"apiVersion: v1\nkind: Service\n": 2, "": 1} {
		s.setContent(fileID{path: "a"}, []byte("apiVersion: v1\nkind: Secret\n"))
		s.setContent(fileID{path: "b"}, []byte(content))
		if u, _ := s.takeUpdate(); u.Skipped != want {
			t.Errorf("skipped %d, want %d", u.Skipped, want)
		}
	}
}

// Whatever happened to the files, what counts is what a fresh reading of the same
// files gives, as long as all of them are good; and the sum of all updates is the same.
func TestOnlyTheFilesCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, v, files := newState(), &view{}, map[string]string{}
		pods := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			pod := rapid.SampledFrom([]string{"p", "q", "r"}).Draw(t, "pod")
			return podYAML(pod, fmt.Sprintf("n%d", rapid.IntRange(1, 2).Draw(t, "node")))
		}), 0, 4)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "file")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				delete(files, name)
				s.remove(fileID{path: name})
			case 1:
				s.setContent(fileID{path: name}, []byte(broken))
				s.setContent(fileID{path: name}, []byte(files[name]))
			default:
				files[name] = strings.Join(pods.Draw(t, "pods"), "---\n")
				s.setContent(fileID{path: name}, []byte(files[name]))
			}
			if rapid.Bool().Draw(t, "update") {
				u, _ := s.takeUpdate()
				v.apply(u)
			}
		}
		u, _ := s.takeUpdate()
		v.apply(u)
		fresh := newState()
		for name, content := range files {
			fresh.setContent(fileID{path: name}, []byte(content))
		}
		want, _ := fresh.takeUpdate()
		if diff := cmp.Diff(summary(newObjects(want)), v.summary()); diff != "" {
			t.Errorf("-fresh +sum of updates:\n%s", diff)
		}
		if diff := cmp.Diff(problems("", want.Problems),
			problems("", v.last.Problems)); diff != "" {
			t.Errorf("-fresh +sum of updates:\n%s", diff)
		}
	})
}
