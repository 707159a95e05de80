package deploy

import (
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// scrape is the time between two values of a series, and between two evaluations.
const scrape = time.Minute

// scene is what Prometheus knows: series in the notation of its own tests, such as
//
//	picket_ready{node="a"} 1 0x20
//
// which is 1 in the first minute, and 0 in the next 21.
type scene []string

// query evaluates an expression in a scene, each minute up to the last one.
func (s scene) query(t *testing.T, expr string, minutes int) promql.Matrix {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), MaxSamples: 1e6,
		Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: promqlParser(),
	})
	start := time.Unix(0, 0)
	q, err := engine.NewRangeQuery(t.Context(), s.storage(t), nil, expr, start,
		start.Add(time.Duration(minutes)*scrape), scrape)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer q.Close()
	result := q.Exec(t.Context())
	if result.Err != nil {
		t.Fatalf("%s: %v", expr, result.Err)
	}
	matrix, err := result.Matrix()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return copied(matrix)
}

// copied returns a matrix that stays as it is when its query is closed.
func copied(m promql.Matrix) (out promql.Matrix) {
	for _, series := range m {
		series.Floats = slices.Clone(series.Floats)
		out = append(out, series)
	}
	return out
}

func promqlParser() parser.Parser { return parser.NewParser(parser.Options{}) }

// storage has the series of a scene.
func (s scene) storage(t *testing.T) storage.Queryable {
	t.Helper()
	var all []storage.Series
	for _, line := range s {
		name, values, err := promqlParser().ParseSeriesDesc(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var samples []chunks.Sample
		for i, v := range values {
			if !v.Omitted {
				at := int64(i) * scrape.Milliseconds()
				samples = append(samples, sample{at, v.Value})
			}
		}
		all = append(all, storage.NewListSeries(name, samples))
	}
	return &storage.MockQueryable{MockQuerier: &storage.MockQuerier{
		SelectMockFunction: func(_ bool, _ *storage.SelectHints,
			matchers ...*labels.Matcher) storage.SeriesSet {
			return &selected{storage.EmptySeriesSet(), matching(all, matchers), -1}
		}}}
}

// matching returns the series that have what all matchers ask for.
func matching(all []storage.Series, matchers []*labels.Matcher) (some []storage.Series) {
	for _, series := range all {
		matches := true
		for _, m := range matchers {
			matches = matches && m.Matches(series.Labels().Get(m.Name))
		}
		if matches {
			some = append(some, series)
		}
	}
	return some
}

// selected is a list of series as the engine reads it.
type selected struct {
	storage.SeriesSet // without an error
	all               []storage.Series
	at                int
}

func (s *selected) Next() bool         { s.at++; return s.at < len(s.all) }
func (s *selected) At() storage.Series { return s.all[s.at] }

// sample is a value at a time in milliseconds.
type sample struct {
	at    int64
	value float64
}

func (s sample) T() int64                      { return s.at }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.value }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }
