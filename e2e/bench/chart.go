package main

import (
	"math"
	"path/filepath"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	_ "gonum.org/v1/plot/vg/vgsvg" // draws SVG
)

// chart is how long something takes, or another amount, over how many there are, both axes
// logarithmic. It is drawn on white, so that it can be read on dark pages too.
type chart struct {
	file, title string
	x           string           // what there are so many of
	y           func(int) string // prints an amount; nil: it is nanoseconds
	lines       []line
}

// line is a curve with a mark for each of its points.
type line struct {
	name   string
	points plotter.XYs // number, amount; all of them above 0
}

func (l *line) add(n, amount int) {
	l.points = append(l.points, plotter.XY{X: float64(n), Y: float64(amount)})
}

// took prints nanoseconds.
func took(amount int) string { return short(time.Duration(amount)) }

// ticks are those of a logarithmic axis, with the labels that tables have, too.
type ticks func(float64) string

// Ticks labels those that are powers of ten.
func (t ticks) Ticks(low, high float64) []plot.Tick {
	all := plot.LogTicks{Prec: -1}.Ticks(low, high)
	for i := range all {
		if !all[i].IsMinor() {
			all[i].Label = t(all[i].Value)
		}
	}
	return all
}

// write draws it into a folder, as SVG.
func (c *chart) write(folder string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = c.title, c.x
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker = ticks(func(n float64) string { return count(int(math.Round(n))) })
	print := took
	if c.y != nil {
		print = c.y
	}
	p.Y.Tick.Marker = ticks(func(amount float64) string { return print(int(math.Round(amount))) })
	p.Title.Padding, p.Legend.Padding, p.Legend.XOffs = vg.Points(8), vg.Points(2), vg.Points(8)
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.TextStyle.Font.Size = vg.Points(8)
	p.Add(plotter.NewGrid())
	var all plotter.XYs
	for i, l := range c.lines {
		curve, marks, err := plotter.NewLinePoints(l.points)
		if err != nil {
			return err
		}
		curve.Color, marks.Color, marks.Shape = plotutil.Color(i), plotutil.Color(i),
			plotutil.Shape(i)
		p.Add(curve, marks)
		p.Legend.Add(strings.ReplaceAll(l.name, "`", ""), curve, marks)
		all = append(all, l.points...)
	}
	_, _, low, high := plotter.XYRange(all)
	p.Y.Min = math.Pow(10, math.Floor(math.Log10(low)))
	// room for the legend
	p.Y.Max = math.Pow(10, math.Ceil(math.Log10(high))+math.Ceil(float64(len(c.lines))/4))
	return p.Save(7*vg.Inch, 5*vg.Inch, filepath.Join(folder, c.file))
}
