package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/cli/exit"
)

// newExecCmd is the verb that runs a command in the network of a pod or node.
func newExecCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec POD|node:NODE [--] [COMMAND...]",
		Short: "Run a command in the network of a pod or node of the sandbox",
		Long: `Run a command in the network of a pod (namespace/name, or the name alone where only one pod has it) or of a node
of the sandbox that is up; without a command, a shell. Only the network is the pod's: files and programs are
those of this machine.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			command := args[1:]
			// pflag leaves a "--" that follows the pod to the command.
			if len(command) > 0 && command[0] == "--" {
				command = command[1:]
			}
			if len(command) == 0 {
				command = []string{cmp.Or(os.Getenv("SHELL"), "/bin/sh")}
			}
			return runExec(args[0], command)
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the pod is the command's
	return cmd
}

// execRequest is a command to run in the sandbox. Its standard streams come along as descriptors.
type execRequest struct {
	At   string // a pod, or node:NODE
	Path string // of the program
	Args []string
	Env  []string
	Dir  string
}

// execResult is how a command ended, or why it did not start.
type execResult struct {
	Code  int
	Error string
}

// runExec has a command run by the daemon, passes signals on, and ends as the command does.
//
// The client sends the descriptors, an execRequest and then a number for each signal; the daemon
// answers with an execResult. All of that is JSON on a unix socket.
func runExec(at string, command []string) error {
	// The program is searched here: the daemon may have been started with another PATH.
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	// The daemon itself works in /.
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	conn, err := dialDaemon(userStateDir().path("socket"))
	if err != nil {
		return err
	}
	defer conn.Close()
	// The command runs in a process group of its own, which the keyboard's signals do not reach.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	// From here on these signals do not end this process, but reach the command.
	defer signal.Stop(signals)
	// The command gets the environment of this process, not that of the daemon.
	if err := sendRequest(conn, execRequest{at, path, command, os.Environ(), dir}); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			_ = json.NewEncoder(conn).Encode(s)
		}
	}()
	return awaitResult(conn)
}

// dialDaemon connects to the daemon. If the socket is missing, or nobody listens at it, no sandbox
// is up.
func dialDaemon(socket string) (*net.UnixConn, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, errDown
	}
	return conn, err
}

// awaitResult waits for the end of the command.
func awaitResult(conn io.Reader) error {
	var result execResult
	switch err := json.NewDecoder(conn).Decode(&result); {
	// A daemon that ends closes the connection without a result.
	case err != nil:
		return errors.New("the sandbox went down meanwhile")
	case result.Error != "":
		return errors.New(result.Error)
	case result.Code != 0:
		return exit.Code(result.Code)
	}
	return nil
}

// sendRequest sends the descriptors of the standard streams, with one byte to carry them, and then
// the request. Descriptors need a byte to go with (unix(7)).
func sendRequest(conn *net.UnixConn, request execRequest) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, _, err = conn.WriteMsgUnix([]byte{0}, unix.UnixRights(0, 1, 2), nil); err == nil {
		_, err = conn.Write(text)
	}
	return err
}
