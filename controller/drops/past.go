package drops

import (
	"maps"
	"slices"
	"time"
)

const (
	// keptFor is how long it is known what something was.
	keptFor = 10 * time.Minute
	// mostKept is how many former names there are at most; the oldest go first.
	mostKept = 4096
)

// Past remembers what keys stood for, and until when. Its values must have a bounded size. The zero
// value remembers nothing. It belongs to one goroutine.
type Past[K comparable, V any] struct {
	former map[K][]former[V] // the oldest first
	order  []K               // a key for each, in the order in which they ended
}

// former is what a key stood for until a time.
type former[V any] struct {
	value V
	until time.Time
}

// End notes that a key stands for something no more.
func (p *Past[K, V]) End(key K, value V, now time.Time) {
	if p.former == nil {
		p.former = map[K][]former[V]{}
	}
	p.former[key] = append(p.former[key], former[V]{value, now})
	p.order = append(p.order, key)
	// Nobody can fill the memory by making pods and deleting them, as values are small.
	for len(p.order) > mostKept || now.Sub(p.former[p.order[0]][0].until) > keptFor {
		p.dropOldest()
	}
}

// dropOldest forgets what ended first.
func (p *Past[K, V]) dropOldest() {
	key := p.order[0]
	p.order = p.order[1:]
	if p.former[key] = p.former[key][1:]; len(p.former[key]) == 0 {
		delete(p.former, key)
	}
}

// At returns what a key stood for at a time, if that has ended since.
func (p *Past[K, V]) At(key K, at time.Time) (value V, known bool) {
	// An address may have had several pods since; the first to end after that time had it then.
	for _, f := range p.former[key] {
		if !f.until.Before(at) {
			return f.value, true
		}
	}
	return value, false
}

// Keys returns what had a meaning until lately.
func (p *Past[K, V]) Keys() []K { return slices.Collect(maps.Keys(p.former)) }

// Last returns what a key stood for last before a time.
func (p *Past[K, V]) Last(key K, at time.Time) (value V, known bool) {
	list := p.former[key]
	for i := len(list) - 1; i >= 0; i-- {
		if f := list[i]; f.until.Before(at) && at.Sub(f.until) <= keptFor {
			return f.value, true
		}
	}
	return value, false
}
