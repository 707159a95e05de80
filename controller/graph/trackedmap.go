package graph

import (
	"maps"
	"slices"
)

// trackedMap is a map that remembers what changed since it was last read.
type trackedMap[K comparable, V any] struct {
	now map[K]V
	was map[K]*V // of every key touched since: its value then; nil: it was absent
}

// newTrackedMap returns an empty map with nothing to remember.
func newTrackedMap[K comparable, V any]() trackedMap[K, V] {
	return trackedMap[K, V]{now: map[K]V{}, was: map[K]*V{}}
}

// set gives a key a value, and remembers what it had before.
func (m *trackedMap[K, V]) set(key K, value V) {
	m.touch(key)
	m.now[key] = value
}

// delete removes a key, and remembers what it had before.
func (m *trackedMap[K, V]) delete(key K) {
	m.touch(key)
	delete(m.now, key)
}

// replace leaves these keys and no others, with the zero value.
func (m *trackedMap[K, V]) replace(keys []K) {
	for key := range maps.Clone(m.now) {
		if !slices.Contains(keys, key) {
			m.delete(key)
		}
	}
	for _, key := range keys {
		var zero V
		m.set(key, zero)
	}
}

// touch remembers the value of a key, unless an older one is remembered.
func (m *trackedMap[K, V]) touch(key K) {
	if _, touched := m.was[key]; touched {
		return
	}
	m.was[key] = nil
	if value, exists := m.now[key]; exists {
		m.was[key] = &value
	}
}

// drain hands over every touched key with its value then and now (nil: absent), and
// forgets that it was touched.
func (m *trackedMap[K, V]) drain(each func(key K, was, is *V)) {
	for key, was := range m.was {
		if value, exists := m.now[key]; exists {
			each(key, was, &value)
		} else if was != nil {
			each(key, was, nil)
		}
	}
	m.was = emptied(m.was)
}

// emptied returns an empty map, which is m unless m is large: to clear or walk a map
// costs as much as it ever held, so that one burst would slow down every event after
// it.
func emptied[K comparable, V any](m map[K]V) map[K]V {
	if len(m) > 1000 {
		return map[K]V{}
	}
	clear(m)
	return m
}
