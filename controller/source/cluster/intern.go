package cluster

// interner gives equal values one place in memory: all pods of an application have the same labels
// and ports, and most of them are listed one after the other.
type interner[T any] struct {
	values map[uint64]T // by a hash of the value
	equal  func(a, b T) bool
}

// maxInterned is at how many values an interner is emptied, so that it never holds much memory that
// nobody else uses.
const maxInterned = 1000

// newInterner returns an empty interner. equal must be true only for values of which one will do.
func newInterner[T any](equal func(a, b T) bool) interner[T] {
	return interner[T]{map[uint64]T{}, equal}
}

// intern returns the value, or an equal one from before. Neither must be changed afterwards.
func (n *interner[T]) intern(hash uint64, value T) T {
	if earlier, found := n.values[hash]; found && n.equal(earlier, value) {
		return earlier
	}
	if len(n.values) >= maxInterned {
		clear(n.values)
	}
	n.values[hash] = value
	return value
}
