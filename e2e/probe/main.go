package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no verb; expected serve, told, send, begin or try")
	}
	switch args[0] {
	case "serve":
		return serve(ctx, args[1:])
	case "told":
		return told(ctx, args[1:])
	case "send":
		return send(ctx, args[1:])
	case "begin":
		return begin(ctx, args[1:])
	case "try":
		return try(ctx, args[1:])
	default:
		return fmt.Errorf("verb %q; expected serve, told, send, begin or try", args[0])
	}
}

func print(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}
