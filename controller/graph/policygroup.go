package graph

import (
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// crew is the pods of this node that are judged alike in one direction.
type crew struct {
	alike     string // policy.Pod.Alike
	direction ruleset.Direction
	pods      map[*pod]bool
	known     compile.Crew  // of these pods; zero: not made yet
	shares    bool          // they lead to chains that others may lead to
	claim     compile.Claim // what their policies need
	refused   bool          // there is no room for that: they are isolated, and nothing is allowed
}

func (c *crew) crew(d ruleset.Direction) compile.Crew {
	if c.known == (compile.Crew{}) {
		keys := make([]policy.Key, 0, len(c.pods))
		for p := range c.pods {
			keys = append(keys, p.claimed.Key)
		}
		c.known = compile.NewCrew(d, keys)
	}
	return c.known
}

// enlist says by what a pod is judged in a direction, and with whom.
func (g *Graph) enlist(p *pod, d ruleset.Direction) {
	j := &p.judged[d]
	isolated, alike := false, ""
	if j.as, j.by, isolated = g.subjectOf(p, d); isolated {
		alike = compile.Alike(j.as, d, j.by)
	}
	if j.crew != nil && j.crew.alike == alike {
		return
	}
	if old := j.crew; old != nil {
		delete(old.pods, p)
		g.changed(old, d)
		if len(old.pods) == 0 {
			delete(g.crews, old.alike)
			g.disband(old)
		}
	}
	if j.crew = nil; alike == "" {
		return
	}
	now, exists := g.crews[alike]
	if !exists {
		now = &crew{alike: alike, direction: d, pods: map[*pod]bool{}}
		g.crews[alike] = now
	}
	now.pods[p] = true
	j.crew = now
	g.changed(now, d)
}

// disband lets go of a crew without pods. Others may have room for it.
func (g *Graph) disband(c *crew) {
	g.unwatch(c)
	delete(g.crowded, c)
	delete(g.moved, c)
	g.fewer = true
}

func (g *Graph) changed(c *crew, d ruleset.Direction) {
	c.known = compile.Crew{}
	g.moved[c] = d
}

// regroup has pods share with those that they are judged alike with now.
func (g *Graph) regroup() {
	for c, d := range g.moved {
		if !c.shares {
			continue
		}
		for p := range c.pods {
			if !g.dirty[p] {
				g.assemble(p, d)
			}
		}
	}
	clear(g.moved)
}
