package main

import (
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	_ "gonum.org/v1/plot/vg/vgsvg" // draws SVG
)

// chart is a plot with two logarithmic axes. It is drawn on white: GitHub shows it on dark pages too.
type chart struct {
	file, title string
	x, y        string // what the axes are
	lines       []line
}

// line is a curve with a mark for each of its points, which are above 0.
type line struct {
	name   string
	points plotter.XYs
}

func (l *line) add(x, y float64) { l.points = append(l.points, plotter.XY{X: x, Y: y}) }

// write draws it into a folder, as SVG.
func (c *chart) write(folder string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.x, c.y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.TextStyle.Font.Size = vg.Points(8)
	p.Add(plotter.NewGrid())
	var all plotter.XYs
	for i, l := range c.lines {
		curve, marks, err := plotter.NewLinePoints(l.points)
		if err != nil {
			return err
		}
		curve.Color, marks.Color, marks.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		p.Add(curve, marks)
		p.Legend.Add(l.name, curve, marks)
		all = append(all, l.points...)
	}
	_, _, low, high := plotter.XYRange(all)
	p.Y.Min, p.Y.Max = decadeBelow(low), decadeAbove(high)*room(len(c.lines))
	return p.Save(7*vg.Inch, 5*vg.Inch, filepath.Join(folder, c.file))
}

// room is how much higher the axis is for a legend above the curves.
func room(lines int) float64 {
	if lines > 4 {
		return 100
	}
	return 10
}

func decadeBelow(v float64) float64 {
	decade := 1.0
	for decade > v {
		decade /= 10
	}
	for decade*10 <= v {
		decade *= 10
	}
	return decade
}

func decadeAbove(v float64) float64 {
	decade := decadeBelow(v)
	if decade < v {
		decade *= 10
	}
	return decade
}
