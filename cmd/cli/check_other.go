//go:build !linux

package cli

import (
	"context"
	"errors"
)

// lookAtNode cannot look at a machine that is no node.
func lookAtNode(context.Context, bool) ([]looked, error) {
	return nil, errors.New("only Linux can be a node; expected a cluster (--kubeconfig)")
}
