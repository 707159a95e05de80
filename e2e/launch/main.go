// Package launch holds the main function that all programs of this module share.
package launch

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// ExitCode is an error that ends a program with this code and without a message.
type ExitCode int

func (c ExitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// Main runs a program with its arguments and ends the process. The context ends when the process is
// asked to stop. An error is printed behind the program's name, and the exit code is 1 then.
func Main(name string, run func(ctx context.Context, args []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	os.Exit(exitCode(name, err))
}

// exitCode prints an error, unless it only says how to end, and returns the code to end with.
func exitCode(name string, err error) int {
	var code ExitCode
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	return 1
}
