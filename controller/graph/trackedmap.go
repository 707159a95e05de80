package graph

import (
	"maps"
	"slices"
)

// ledger is a map that remembers what changed since it was last read.
type ledger[K comparable, V any] struct {
	now map[K]V
	was map[K]*V // of every key touched since: its value then; nil: it was absent
}

func newLedger[K comparable, V any]() ledger[K, V] {
	return ledger[K, V]{now: map[K]V{}, was: map[K]*V{}}
}

func (l *ledger[K, V]) set(key K, value V) {
	l.touch(key)
	l.now[key] = value
}

func (l *ledger[K, V]) delete(key K) {
	l.touch(key)
	delete(l.now, key)
}

// replace leaves these keys and no others, with the zero value.
func (l *ledger[K, V]) replace(keys []K) {
	for key := range maps.Clone(l.now) {
		if !slices.Contains(keys, key) {
			l.delete(key)
		}
	}
	for _, key := range keys {
		var zero V
		l.set(key, zero)
	}
}

func (l *ledger[K, V]) touch(key K) {
	if _, touched := l.was[key]; touched {
		return
	}
	l.was[key] = nil
	if value, exists := l.now[key]; exists {
		l.was[key] = &value
	}
}

// drain hands over every touched key with its value then and now (nil: absent) and forgets about it.
func (l *ledger[K, V]) drain(each func(key K, was, is *V)) {
	for key, was := range l.was {
		if value, exists := l.now[key]; exists {
			each(key, was, &value)
		} else if was != nil {
			each(key, was, nil)
		}
	}
	l.was = emptied(l.was)
}

// emptied returns an empty map, which is m unless that is large: to clear or walk a map costs as much as it ever held,
// so one burst would make every event after it dear.
func emptied[K comparable, V any](m map[K]V) map[K]V {
	if len(m) > 1000 {
		return map[K]V{}
	}
	clear(m)
	return m
}
