package main

import (
	"go/format"
	"testing"
)

// A change of the code can leave a fault without the place where it was to be planted.
func TestFaultsCanBePlanted(t *testing.T) {
	for _, m := range mutants {
		text, err := m.planted("../..")
		if err == nil {
			_, err = format.Source([]byte(text))
		}
		if err != nil {
			t.Errorf("%s: %v", m.fault, err)
		}
	}
}
