package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// Here is how to ask the agent of this node, as a process of root in the node's network namespace.
func Here(version string) Client {
	return Client{Node: thisNode, Version: version, Patience: patienceHere,
		Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			conn, err := DialHere(ctx)
			if err != nil {
				return nil, fmt.Errorf("%w; expected to run as root on a node, or with a cluster "+
					"(--kubeconfig)", err)
			}
			return conn, nil
		}}
}

// DialHere connects to the socket of this node's agent, and trusts only a process of root there.
func DialHere(ctx context.Context) (*net.UnixConn, error) {
	// The socket is that of the calling thread's network namespace.
	conn, err := new(net.Dialer).DialContext(ctx, "unix", Socket)
	if err != nil {
		return nil, err
	}
	// An abstract socket has no owner: anybody in the namespace could have made it first.
	if err := FromRoot(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn.(*net.UnixConn), nil
}

// ErrNotRoot says that the other end of a socket is not root's.
var ErrNotRoot = errors.New("the process at the other end is not root's")

// FromRoot asks the kernel whose process is at the other end (SO_PEERCRED).
func FromRoot(conn net.Conn) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var peer *syscall.Ucred
	var refused error
	// The kernel has noted it when the connection was made, so that it can't be changed since.
	err = raw.Control(func(fd uintptr) {
		peer, refused = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, refused); err != nil {
		return err
	}
	if peer.Uid != 0 {
		return ErrNotRoot
	}
	return nil
}
