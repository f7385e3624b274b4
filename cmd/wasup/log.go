package main

import (
	"io"
	"log/slog"

	"wasup/configs"
)

// newLog writes to stderr, so that stdout stays for what a command answers.
func newLog(w io.Writer, cfg configs.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
