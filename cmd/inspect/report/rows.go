package report

import "encoding/base64"

// bits is a set of numbers.
type bits []byte

func newBits(n int) bits { return make(bits, (n+7)/8) }

func (b bits) set(i int) { b[i/8] |= 1 << (i % 8) }

// has reports whether a number is in the set, of which zeros at the end may be missing.
func (b bits) has(i int) bool { return i/8 < len(b) && b[i/8]&(1<<(i%8)) != 0 }

// table numbers texts, each once.
type table struct {
	texts []string
	at    map[string]int
}

func newTable() table { return table{texts: []string{}, at: map[string]int{}} }

// add returns the number of a text.
func (t *table) add(text string) int {
	i, known := t.at[text]
	if !known {
		i = len(t.texts)
		t.at[text], t.texts = i, append(t.texts, text)
	}
	return i
}

// addBits returns the number of a set. Zeros at the end say nothing.
func (t *table) addBits(b bits) int {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return t.add(base64.StdEncoding.EncodeToString(b))
}
