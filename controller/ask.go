package controller

import (
	"context"

	"github.com/picket-project/picket/ruleset"
)

// ask is a question to the loop: what it wants the kernel to hold.
type ask struct {
	answer chan *ruleset.Program // has room for one
}

// Program returns what the kernel should hold, as the loop has it between two of its steps. Any
// goroutine may call it. The error is that of ctx.
func (c *Controller) Program(ctx context.Context) (*ruleset.Program, error) {
	question := ask{make(chan *ruleset.Program, 1)}
	select {
	case c.asks <- question:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case p := <-question.answer:
		return p, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
