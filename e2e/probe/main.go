package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/picket-project/picket/e2e/launch"
)

func main() { launch.Main("probe", run) }

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no verb; expected serve, told, send, begin or try")
	}
	switch args[0] {
	case "serve":
		return serve(ctx, args[1:])
	case "told":
		return printCounts(ctx, args[1:])
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

// print prints a result as JSON.
func print(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}
