package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// execServer runs commands in the daemon's cluster for the verb exec. The plan says which pods
// there are.
type execServer struct {
	cluster *sandbox.Cluster
	plan    *plan
}

// listen serves clients until ctx ends.
func (s *execServer) listen(ctx context.Context, socket string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	// Closing the listener ends acceptAll.
	context.AfterFunc(ctx, func() { l.Close() })
	go s.acceptAll(l)
	return nil
}

// acceptAll serves each client in a goroutine of its own, until the listener is closed.
func (s *execServer) acceptAll(l *net.UnixListener) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return
		}
		go s.serve(conn)
	}
}

// serve runs the command of one client.
func (s *execServer) serve(conn *net.UnixConn) {
	defer conn.Close()
	var result execResult
	if err := s.run(conn, &result); err != nil {
		result.Error = err.Error()
	}
	_ = json.NewEncoder(conn).Encode(result)
}

// run runs the client's command in a process group of its own. The group gets the client's signals,
// and SIGKILL if the client goes first.
func (s *execServer) run(conn *net.UnixConn, result *execResult) error {
	// There is one decoder for all messages: it may have read signals together with the request.
	messages := json.NewDecoder(conn)
	cmd, err := s.start(conn, messages)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	go relaySignals(messages, cmd.Process.Pid, done)
	_ = cmd.Wait() // the state says how it ended
	// Another process group can get the number now, so no signal may be sent to it.
	close(done)
	result.Code = shellCode(cmd.ProcessState)
	return nil
}

// shellCode is the exit code of a process as a shell gives it.
func shellCode(state *os.ProcessState) int {
	// Go's own ExitCode is -1 for a process that a signal has ended.
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// start starts the command that a client asks for.
func (s *execServer) start(conn *net.UnixConn, messages *json.Decoder) (*exec.Cmd, error) {
	streams, err := receiveStreams(conn)
	if err != nil {
		return nil, err
	}
	defer func() {
		// Once it is started, the command has copies of its own.
		for _, f := range streams {
			f.Close()
		}
	}()
	var request execRequest
	if err := messages.Decode(&request); err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: request.Path, Args: request.Args, Env: request.Env, Dir: request.Dir,
		Stdin: streams[0], Stdout: streams[1], Stderr: streams[2],
		// The group is the command's own, so that a signal reaches its children, too.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	return cmd, s.startAt(request.At, cmd)
}

// receiveStreams takes the three descriptors that sendRequest sends.
func receiveStreams(conn *net.UnixConn) (files []*os.File, err error) {
	// A descriptor takes 4 bytes in the control message.
	one, control := make([]byte, 1), make([]byte, unix.CmsgSpace(3*4))
	_, n, _, _, err := conn.ReadMsgUnix(one, control)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(errNoStreams, err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 3 {
		return nil, errors.Join(errNoStreams, err)
	}
	for _, fd := range fds {
		files = append(files, os.NewFile(uintptr(fd), "stream"))
	}
	return files, nil
}

// errNoStreams is for a client that does not send what sendRequest sends.
var errNoStreams = errors.New("the client did not send its standard streams")

// relaySignals passes the client's signals on until the command is done. It kills the command when
// the client is gone.
func relaySignals(messages *json.Decoder, group int, done <-chan struct{}) {
	for {
		var s syscall.Signal
		// The client is gone, or what it sends is no signal.
		if err := messages.Decode(&s); err != nil {
			s = syscall.SIGKILL
		}
		select {
		case <-done:
			return
		default:
			// A negative number means a process group (kill(2)).
			_ = syscall.Kill(-group, s)
		}
		if s == syscall.SIGKILL {
			return
		}
	}
}

// startAt starts a command at a pod, or at node:NODE.
func (s *execServer) startAt(at string, cmd *exec.Cmd) error {
	if node, ok := strings.CutPrefix(at, "node:"); ok {
		return s.cluster.StartInNode(node, cmd)
	}
	// The name of a pod may leave out the namespace.
	pod, err := s.plan.find(at)
	if err != nil {
		return err
	}
	return s.cluster.StartInPod(pod, cmd)
}

// find returns the full name of the pod that a name means, with or without a namespace.
func (p *plan) find(name string) (string, error) {
	var found, all []string
	for _, pod := range p.pods {
		all = append(all, pod.Name)
		if pod.Name == name || strings.HasSuffix(pod.Name, "/"+name) {
			found = append(found, pod.Name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no pod %s; there are: %s", name, strings.Join(all, ", "))
	}
	return "", fmt.Errorf("several pods have the name %s: %s", name, strings.Join(found, ", "))
}
