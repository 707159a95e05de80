package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

func newSandboxExecCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec POD|node:NODE [--] [COMMAND...]",
		Short: "Run a command in the network of a pod or node of the sandbox",
		Long: `Run a command in the network of a pod (namespace/name, or the name alone where only one pod has it) or of a node
of the sandbox that is up; without a command, a shell. Only the network is the pod's: files and programs are
those of this machine.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			command := args[1:]
			if len(command) > 0 && command[0] == "--" {
				command = command[1:]
			}
			if len(command) == 0 {
				command = []string{cmp.Or(os.Getenv("SHELL"), "/bin/sh")}
			}
			return execute(args[0], command)
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the pod is the command's
	return cmd
}

// errand is a command to run in the sandbox. Its standard streams come along as descriptors.
type errand struct {
	At   string // a pod, or node:NODE
	Path string // of the program
	Args []string
	Env  []string
	Dir  string
}

// ending is how a command ended, or why it did not start.
type ending struct {
	Code  int
	Error string
}

// execute has a command run by the daemon, hands on the signals that come, and ends as the command does.
func execute(at string, command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	conn, err := dial(theStateDir().path("socket"))
	if err != nil {
		return err
	}
	defer conn.Close()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := send(conn, errand{at, path, command, os.Environ(), dir}); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			_ = json.NewEncoder(conn).Encode(s)
		}
	}()
	return await(conn)
}

func dial(socket string) (*net.UnixConn, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, errDown
	}
	return conn, err
}

// await waits for the end of the command.
func await(conn io.Reader) error {
	var end ending
	switch err := json.NewDecoder(conn).Decode(&end); {
	case err != nil:
		return errors.New("the sandbox went down meanwhile")
	case end.Error != "":
		return errors.New(end.Error)
	case end.Code != 0:
		return exitCode(end.Code)
	}
	return nil
}

// send hands the errand over, with the descriptors of the standard streams.
func send(conn *net.UnixConn, e errand) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, _, err = conn.WriteMsgUnix([]byte{0}, unix.UnixRights(0, 1, 2), nil); err == nil {
		_, err = conn.Write(text)
	}
	return err
}

// doorkeeper is the daemon's part of exec.
type doorkeeper struct {
	cluster   *sandbox.Cluster
	blueprint *blueprint
}

// open listens until ctx ends.
func (d *doorkeeper) open(ctx context.Context, socket string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go d.receiveAll(l)
	return nil
}

func (d *doorkeeper) receiveAll(l *net.UnixListener) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return
		}
		go d.admit(conn)
	}
}

// admit serves one client.
func (d *doorkeeper) admit(conn *net.UnixConn) {
	defer conn.Close()
	end := ending{}
	if err := d.run(conn, &end); err != nil {
		end.Error = err.Error()
	}
	_ = json.NewEncoder(conn).Encode(end)
}

// run runs the client's command in a process group of its own. The group gets the client's signals, and
// SIGKILL where the client goes first.
func (d *doorkeeper) run(conn *net.UnixConn, end *ending) error {
	mail := json.NewDecoder(conn)
	cmd, err := d.start(conn, mail)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	go relay(mail, cmd.Process.Pid, done)
	_ = cmd.Wait() // the state says how it ended
	close(done)
	end.Code = shellCode(cmd.ProcessState)
	return nil
}

// shellCode is the exit code of a process as a shell gives it.
func shellCode(state *os.ProcessState) int {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// start starts the command that a client sends.
func (d *doorkeeper) start(conn *net.UnixConn, mail *json.Decoder) (*exec.Cmd, error) {
	streams, err := receive(conn)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, f := range streams {
			f.Close()
		}
	}()
	var e errand
	if err := mail.Decode(&e); err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: e.Path, Args: e.Args, Env: e.Env, Dir: e.Dir, Stdin: streams[0], Stdout: streams[1], Stderr: streams[2],
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	return cmd, d.startAt(e.At, cmd)
}

// receive takes the three descriptors that send sends.
func receive(conn *net.UnixConn) (files []*os.File, err error) {
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

var errNoStreams = errors.New("the client did not send its standard streams")

// relay hands signals on until the command is done.
func relay(mail *json.Decoder, group int, done <-chan struct{}) {
	for {
		var s syscall.Signal
		if err := mail.Decode(&s); err != nil {
			s = syscall.SIGKILL
		}
		select {
		case <-done:
			return
		default:
			_ = syscall.Kill(-group, s)
		}
		if s == syscall.SIGKILL {
			return
		}
	}
}

func (d *doorkeeper) startAt(at string, cmd *exec.Cmd) error {
	if node, ok := strings.CutPrefix(at, "node:"); ok {
		return d.cluster.StartInNode(node, cmd)
	}
	pod, err := d.blueprint.find(at)
	if err != nil {
		return err
	}
	return d.cluster.StartInPod(pod, cmd)
}

// find returns the full name of the pod that is meant.
func (b *blueprint) find(name string) (string, error) {
	var found, all []string
	for _, p := range b.pods {
		all = append(all, p.name)
		if p.name == name || strings.HasSuffix(p.name, "/"+name) {
			found = append(found, p.name)
		}
	}
	return onlyOne(name, found, all)
}

func onlyOne(name string, found, all []string) (string, error) {
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no pod %s; there are: %s", name, strings.Join(all, ", "))
	}
	return "", fmt.Errorf("several pods have the name %s: %s", name, strings.Join(found, ", "))
}
