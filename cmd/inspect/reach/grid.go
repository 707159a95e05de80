package reach

import (
	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
)

// Grid says which pod reaches which at a port, in these address families.
func Grid(c *ask.Cluster, port ask.Port, families []ruleset.Family) inspect.Matrix {
	m := inspect.Matrix{Pods: []string{}, Allowed: [][]bool{}}
	g := grid{cluster: c, port: port, known: map[[2]string]bool{}}
	for _, p := range c.Pods {
		g.alike = append(g.alike, c.Alike(p))
		p.Addrs = inspect.InFamilies(p.Addrs, families)
		g.pods = append(g.pods, p)
	}
	for i, from := range g.pods {
		row := make([]bool, len(g.pods))
		for j := range g.pods {
			row[j] = g.allowed(i, j)
		}
		m.Pods = append(m.Pods, from.Key.String())
		m.Allowed = append(m.Allowed, row)
	}
	return m
}

// grid asks about pairs of pods, and once about those that are decided about alike.
type grid struct {
	cluster *ask.Cluster
	port    ask.Port
	pods    []ask.Pod
	alike   []string
	known   map[[2]string]bool
}

// allowed asks about one pair. A pod and itself, and one on a node's network, are like no other
// pair: their nodes count, too.
func (g *grid) allowed(i, j int) bool {
	from, to := g.pods[i], g.pods[j]
	key := [2]string{g.alike[i], g.alike[j]}
	special := i == j || from.Host || to.Host
	if is, asked := g.known[key]; asked && !special {
		return is
	}
	is := g.cluster.AllAllowed(ask.Flows(from.Addrs, to.Addrs, g.port))
	if !special {
		g.known[key] = is
	}
	return is
}
