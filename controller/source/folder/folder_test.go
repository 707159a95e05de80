package folder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/controller/source/manifests"
	"github.com/picket-project/picket/ruleset/policy"
)

// The graph has events for every kind that is watched.
func TestEveryKindHasEvents(t *testing.T) {
	for kind := manifests.Namespace; kind <= manifests.Pod; kind++ {
		key := manifests.Key{Kind: kind, Namespace: "a", Name: "x"}
		if event(manifests.Change{Key: key, Object: kind.New()}) == nil {
			t.Errorf("%s: no event for one that is there", kind)
		}
		if event(manifests.Change{Key: key}) == nil {
			t.Errorf("%s: no event for one that is gone", kind)
		}
	}
}

// What files state is delivered at once, in one piece, with what is wrong in them; then what
// changes.
func TestFolderDelivers(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	put("a.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: a}}")
	put("wrong.yaml", "{apiVersion: v1, kind: Node}\n---\n{kind: Pod}")
	ctx, stop := context.WithCancelCause(t.Context())
	var all []source.Mail
	err := Source{Paths: []string{dir}}.Run(ctx, func(m source.Mail) {
		switch all = append(all, m); len(all) {
		case 1:
			if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
				t.Error(err)
			}
		case 2:
			stop(errors.New("done"))
		}
	})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d mails, %v", len(all), err)
	}
	first, second := all[0], all[1]
	want := graph.NamespaceSet{Namespace: policy.ImpliedNamespace("a")}.Namespace
	want.Implied = false
	if len(first.Events) != 1 {
		t.Fatalf("events: %+v", first.Events)
	}
	if e, is := first.Events[0].(graph.NamespaceSet); !is || !e.Namespace.Equal(want) {
		t.Errorf("event: %+v", first.Events[0])
	}
	wrong := first.Complaints[filepath.Join(dir, "wrong.yaml")]
	if !first.Synced || !first.Blind || strings.Count(wrong, "; ") != 1 ||
		len(first.Complaints) != 1 {
		t.Errorf("first mail: %+v", first)
	}
	if len(second.Events) != 1 || second.Events[0] != (graph.NamespaceGone{Name: "a"}) {
		t.Errorf("second mail: %+v", second)
	}
}
