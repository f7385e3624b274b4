package main

import (
	"io"
	"log/slog"

	"wasup/configs"
)

// newLog returns a logger that writes to w in the configured format. Commands pass stderr: stdout is for their output.
func newLog(w io.Writer, cfg configs.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
