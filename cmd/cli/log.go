package cli

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

// logOptions are the flags for logs.
type logOptions struct{ format, level string }

// bind adds --log-format and --log-level to the flags of a verb.
func (o *logOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.format, "log-format", "text", "text or json")
	flags.StringVar(&o.level, "log-level", "info", "debug, info, warn or error")
}

// Validate checks what the flags can be checked for alone.
func (o *logOptions) Validate() error {
	if o.format != "text" && o.format != "json" {
		return fmt.Errorf("--log-format %q: expected text or json", o.format)
	}
	// slog has no function that parses a level: a level parses itself.
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.level)); err != nil {
		return fmt.Errorf("--log-level %q: expected debug, info, warn or error", o.level)
	}
	return nil
}

// logger makes the logger that Validate has found possible.
func (o *logOptions) logger(out io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(o.level))
	options := &slog.HandlerOptions{Level: level}
	// Text and JSON have the same fields.
	if o.format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}
