package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/joshdk/go-junit"
)

// readJUnit reads all tests of a report, those of nested suites too, in their order.
func readJUnit(file string) ([]junit.Test, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	suites, err := junit.Ingest(data)
	if err != nil {
		return nil, fmt.Errorf("read report %s: %w", file, err)
	}
	return flatten(suites), nil
}

func flatten(suites []junit.Suite) []junit.Test {
	var tests []junit.Test
	for _, suite := range suites {
		tests = append(tests, suite.Tests...)
		tests = append(tests, flatten(suite.Suites)...)
	}
	return tests
}

// outcome says what a report says of a test.
func outcome(t junit.Test) Outcome {
	switch t.Status {
	case junit.StatusPassed:
		return Passed
	case junit.StatusSkipped:
		return Skipped
	default:
		return Failed
	}
}

// message is the reason that a report gives, in one paragraph.
func message(t junit.Test) string {
	text := t.Message
	if text == "" && t.Error != nil {
		text = t.Error.Error()
	}
	return strings.TrimSpace(text)
}
