// Command wasup supervises WhatsApp sessions.
//
// This package owns flags, signals, exit codes and the wiring (app.go); everything that does something lives in the
// rooms it wires together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"wasup/internal/session"
)

// Exit codes: 0 done, 1 something failed, 2 the command line or the configuration is wrong, 130 a second signal.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitAborted = 130
)

func main() {
	ctx, stop := notify(context.Background())
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// notify ends ctx at the first SIGINT or SIGTERM. A second one exits at once: whoever asks twice does not want to wait.
func notify(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
			return
		}
		if _, again := <-signals; again {
			os.Exit(exitAborted)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// run is main without the process: what it prints and the exit code it returns are all it does to the outside.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	root := rootCommand(environ)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	for line := range strings.SplitSeq(sentence(err), "\n") {
		_, _ = fmt.Fprintln(stderr, "wasup:", line)
	}
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// usageError is a mistake on the command line or in the configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// sentence is what a person reads: the message that was written for people where there is one.
func sentence(err error) string {
	var e *session.Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message
	}
	return err.Error()
}
