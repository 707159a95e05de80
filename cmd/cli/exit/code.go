// Package exit lets a verb end with an exit code without a message of its own.
package exit

import "fmt"

// Code is an error that only says how to end: what there was to print is printed already.
type Code int

func (c Code) Error() string { return fmt.Sprintf("exit code %d", int(c)) }
