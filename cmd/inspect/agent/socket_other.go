//go:build !linux

package agent

import (
	"context"
	"errors"
	"io"
)

// Here is the client of a machine that is no node: it cannot ask.
func Here(version string) Client {
	return Client{Node: thisNode, Patience: patienceHere, Version: version,
		Dial: func(context.Context) (io.ReadWriteCloser, error) {
			return nil, errors.New("only Linux has one; expected a cluster (--kubeconfig)")
		}}
}
