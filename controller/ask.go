package controller

import (
	"context"

	"github.com/picket-project/picket/ruleset"
)

// Program returns what the kernel should hold, as the loop has it between two of its steps. Any
// goroutine may call it. The error is that of ctx.
func (c *Controller) Program(ctx context.Context) (*ruleset.Program, error) {
	answer := make(chan *ruleset.Program, 1) // the loop does not wait for who asks
	select {
	case c.asks <- answer:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case p := <-answer:
		return p, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
