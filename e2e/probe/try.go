package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// try asks each target, "tcp/ADDRESS:PORT" or "udp/ADDRESS:PORT", and prints a map from it to "open" or why not.
func try(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("try", flag.ContinueOnError)
	patience := flags.Duration("patience", time.Second, "how long to wait for an answer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	results := map[string]string{}
	var mu sync.Mutex // guards results
	var open sync.WaitGroup
	for _, target := range flags.Args() {
		open.Go(func() {
			result := "open"
			if err := ask(ctx, target, *patience); err != nil {
				result = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			results[target] = result
		})
	}
	open.Wait()
	return print(results)
}

func ask(ctx context.Context, target string, patience time.Duration) error {
	network, to, found := strings.Cut(target, "/")
	data := packet{Flow: "try"}.encode()
	switch {
	case found && network == "tcp":
		return exchange(ctx, to, data, patience)
	case found && network == "udp":
		return askUDP(to, data, patience)
	default:
		return errors.New("expected tcp/ADDRESS:PORT or udp/ADDRESS:PORT")
	}
}

func askUDP(to string, data []byte, patience time.Duration) error {
	conn, err := net.Dial("udp", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(data); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, len(data)))
	return err
}
