package page

import (
	"fmt"
	"html"
	"math"
	"net/url"
	"strings"

	"github.com/picket-project/picket/cmd/inspect/report"
)

// node is a namespace in the drawing.
type node struct {
	space int
	name  string
	x, y  float64
	// From the centre, in degrees; 0 is at the right.
	angle  float64
	radius float64
	class  string
}

// The drawing's measures, in its own units.
const (
	// Along the circle, for each node.
	nodeSpace = 34
	// Radius of the circle.
	least = 150
	// Around the circle, for names.
	margin = 130
	// Length of an arrow's tip.
	tip = 11
	// Nodes from which on names do not fit beside each other.
	crowded = 16
)

// graph draws the namespaces on a circle, and an arrow where one reaches another.
func graph(d report.Data) string {
	nodes, radius := layout(d)
	size := 2 * (radius + margin)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="%.0f %.0f %.0f %.0f" role="group" aria-label="Namespaces">`,
		-size/2, -size/2, size, size)
	// A line ends where its tip begins.
	fmt.Fprintf(&b, `<defs><marker id="tip" viewBox="0 0 8 8" refX="0" refY="4" markerWidth="%d" `+
		`markerHeight="%d" markerUnits="userSpaceOnUse" orient="auto-start-reverse">`+
		`<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>`, tip, tip)
	drawEdges(&b, d, nodes)
	for _, n := range nodes {
		n.draw(&b, len(nodes) > crowded)
	}
	return b.String() + "</svg>"
}

// layout places the namespaces, in the order of their names, and returns the radius of their circle.
func layout(d report.Data) (nodes []node, radius float64) {
	sizes := make([]int, len(d.Spaces))
	for _, w := range d.Workloads {
		sizes[w.Space]++
	}
	for i, s := range d.Spaces {
		// A namespace without pods reaches nobody.
		if sizes[i] > 0 {
			nodes = append(nodes, node{space: i, name: s.Name, class: class(d, i),
				radius: min(24, 8+2*math.Sqrt(float64(sizes[i])))})
		}
	}
	// The more namespaces there are, the larger is their circle.
	radius = max(least, nodeSpace*float64(len(nodes))/(2*math.Pi))
	for i := range nodes {
		turn := 2*math.Pi*float64(i)/float64(len(nodes)) - math.Pi/2
		nodes[i].x, nodes[i].y = radius*math.Cos(turn), radius*math.Sin(turn)
		nodes[i].angle = turn * 180 / math.Pi
	}
	return nodes, radius
}

// class says how a namespace is drawn: open if everybody reaches all of it, shut if all of its pods
// are isolated for ingress, free if none is.
func class(d report.Data, space int) string {
	// Of what is not part of the report nothing is known.
	name := d.Spaces[space].Name
	if d.Spaces[space].Outside || d.Namespace != "" && name != d.Namespace {
		return "outside"
	}
	if isOpen(d, space) {
		return "open"
	}
	for _, n := range d.Coverage.Namespaces {
		switch {
		case n.Name != name:
		case n.Ingress == n.Pods:
			return "shut"
		case n.Ingress == 0:
			return "free"
		}
	}
	return "partly"
}

// isOpen reports whether all others reach all of a namespace.
func isOpen(d report.Data, space int) bool {
	others := 0
	for _, e := range d.Edges {
		if e.To == space && e.From != space {
			others++
			if e.All < e.Pairs {
				return false
			}
		}
	}
	return others > 0
}

// drawEdges draws an arrow for every two namespaces of which one reaches the other. Those to a
// namespace that everybody reaches say nothing, and are left out.
func drawEdges(b *strings.Builder, d report.Data, nodes []node) {
	at := map[int]node{}
	for _, n := range nodes {
		at[n.space] = n
	}
	// What is drawn: somebody reaches somebody in another namespace.
	edges := map[[2]int]report.Edge{}
	for _, e := range d.Edges {
		if e.All+e.Some > 0 && e.From != e.To && at[e.To].class != "open" {
			edges[[2]int{e.From, e.To}] = e
		}
	}
	for _, e := range d.Edges {
		one, there := edges[[2]int{e.From, e.To}]
		other, back := edges[[2]int{e.To, e.From}]
		// Both ways are one line with two tips, drawn once.
		if !there || back && e.From > e.To {
			continue
		}
		share := max(openShare(one), openShare(other))
		drawEdge(b, [2]node{at[e.From], at[e.To]}, back, 1+2.5*share)
	}
}

// openShare is which part of the pairs of workloads is open, half where it is only partly.
func openShare(e report.Edge) float64 {
	if e.Pairs == 0 {
		return 0
	}
	return (float64(e.All) + float64(e.Some)/2) / float64(e.Pairs)
}

// drawEdge draws a line that bends towards the centre.
func drawEdge(b *strings.Builder, ends [2]node, back bool, width float64) {
	// The point towards which the line bends lies between its ends and the centre.
	x, y := (ends[0].x+ends[1].x)*0.22, (ends[0].y+ends[1].y)*0.22
	x2, y2 := ends[1].towards(x, y, tip)
	start, gap := "", 0.0
	if back {
		start, gap = ` marker-start="url(#tip)"`, tip
	}
	x1, y1 := ends[0].towards(x, y, gap)
	fmt.Fprintf(b, `<path class="edge" data-from="%d" data-to="%d" stroke-width="%.1f" `+
		`d="M%.0f %.0fQ%.0f %.0f %.0f %.0f" marker-end="url(#tip)"%s/>`,
		ends[0].space, ends[1].space, width, x1, y1, x, y, x2, y2, start)
}

// towards is the point that faces another one, at a gap from the edge of a node.
func (n node) towards(x, y, gap float64) (float64, float64) {
	dx, dy := x-n.x, y-n.y
	length := max(1, math.Hypot(dx, dy))
	return n.x + dx/length*(n.radius+gap+2), n.y + dy/length*(n.radius+gap+2)
}

// longestName is how many letters of a name are drawn; the whole name is shown on pointing at it.
const longestName = 22

// draw draws a node as a link to its rows in the grid. In a crowd its name reads outwards.
func (n node) draw(b *strings.Builder, outwards bool) {
	name := []rune(n.name)
	if len(name) > longestName {
		name = append(name[:longestName-1], '…')
	}
	fmt.Fprintf(b, `<a class="node %s" data-space="%d" href="#open=%s"><title>%s</title>`+
		`<circle cx="%.0f" cy="%.0f" r="%.0f"/>`, n.class, n.space,
		html.EscapeString(url.PathEscape(n.name)), html.EscapeString(n.name), n.x, n.y, n.radius)
	if outwards {
		n.drawOutwards(b, string(name))
	} else {
		n.drawUpright(b, string(name))
	}
	b.WriteString("</a>")
}

// drawOutwards writes the name away from the centre.
func (n node) drawOutwards(b *strings.Builder, name string) {
	angle, anchor, at := n.angle, "start", n.radius+6
	// On the left half it would stand on its head.
	if angle > 90 {
		angle, anchor, at = angle-180, "end", -at
	}
	fmt.Fprintf(b, `<text text-anchor="%s" dy=".35em" transform="translate(%.0f %.0f) rotate(%.1f)" `+
		`x="%.0f">%s</text>`, anchor, n.x, n.y, angle, at, html.EscapeString(name))
}

// drawUpright writes the name beside the node, above or below it.
func (n node) drawUpright(b *strings.Builder, name string) {
	turn := n.angle * math.Pi / 180
	anchor, x, y := "middle", n.x, n.y+(n.radius+14)*math.Sin(turn)
	switch {
	case math.Cos(turn) > 0.2:
		anchor, x = "start", n.x+n.radius+6
	case math.Cos(turn) < -0.2:
		anchor, x = "end", n.x-n.radius-6
	}
	fmt.Fprintf(b, `<text text-anchor="%s" dy=".35em" x="%.0f" y="%.0f">%s</text>`, anchor, x, y,
		html.EscapeString(name))
}
