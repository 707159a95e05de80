package deploy

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// dashboard is what is tested of Grafana's form.
type dashboard struct {
	UID, Title string
	Links      []struct{ URL string }
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               source
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct {
		RefID      string
		Datasource source
		Expr       string
	}
}

type source struct{ Type, UID string }

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewReader(read(t, Dashboard))).Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

// asQuery puts in what Grafana would for all nodes.
func asQuery(expr string) string {
	return strings.NewReplacer("$node", ".*", "$__rate_interval", "5m").Replace(expr)
}

// TestDashboard: its variables are those that its panels use, and its links lead somewhere.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.UID != "picket" || d.Title == "" || len(d.Links) == 0 {
		t.Errorf("uid %q, title %q, links %v", d.UID, d.Title, d.Links)
	}
	for _, link := range d.Links {
		testLink(t, Dashboard, link.URL)
	}
	list := d.Templating.List
	if len(list) != 2 || list[0].Name != "datasource" || list[0].Type != "datasource" ||
		list[1].Name != "node" || list[1].Definition != "label_values(picket_ready, node)" {
		t.Errorf("variables %+v", list)
	}
}

// TestPanels: each says what it shows, has its place, and shows something: all has happened in the
// scene that they are evaluated in.
func TestPanels(t *testing.T) {
	all := append(scene{
		`picket_not_ready{node="a",part="kernel"} 1x120`,
		`up{job="picket",node="c"} 0x120`,
		`picket_drift_repairs_total{node="c"} 0+1x120`,
		`picket_flowtables{node="c"} 1x120`,
		`picket_denied_samples_read{node="c"} 0x120`,
		`picket_kernel_feature{node="c",feature="table_owner"} 0x120`,
	}, healthy...)
	chosen, ids := source{"prometheus", "${datasource}"}, map[int]bool{}
	place := map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		if p.Title == "" || len(p.Description) < 20 || p.Datasource != chosen || ids[p.ID] {
			t.Errorf("panel %d %q: %q, data source %v", p.ID, p.Title, p.Description, p.Datasource)
		}
		ids[p.ID] = true
		testPlace(t, place, p)
		for _, target := range p.Targets {
			testSelectors(t, asQuery(target.Expr))
			if target.Datasource != chosen || !strings.Contains(target.Expr, `node=~"$node"`) {
				t.Errorf("%s: %s of %v", p.Title, target.Expr, target.Datasource)
			}
			if len(all.query(t, asQuery(target.Expr), 120)) == 0 {
				t.Errorf("%s: nothing is shown for %s", p.Title, target.Expr)
			}
		}
	}
}

// testPlace: a panel is within the 24 columns that Grafana has, and over no other.
func testPlace(t *testing.T, taken map[[2]int]string, p panel) {
	t.Helper()
	g := p.GridPos
	if g.X < 0 || g.W < 1 || g.X+g.W > 24 || g.H < 1 {
		t.Errorf("%s: %+v", p.Title, g)
	}
	for x := g.X; x < g.X+g.W; x++ {
		for y := g.Y; y < g.Y+g.H; y++ {
			if other := taken[[2]int{x, y}]; other != "" {
				t.Fatalf("%s is over %s", p.Title, other)
			}
			taken[[2]int{x, y}] = p.Title
		}
	}
}
