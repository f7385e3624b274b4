// Package walog passes whatsmeow's log lines to ours.
//
// It owns the level of each line, what may stay of its text, and the stanzas, which whatsmeow announces in debug lines
// only. It knows neither sessions nor runs, nor what a stanza means.
package walog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unique"

	waBinary "go.mau.fi/whatsmeow/binary"
	waLog "go.mau.fi/whatsmeow/util/log"

	"wasup/internal/whatsapp/masking"
)

// Logger is the logger of a part of whatsmeow. whatsmeow's lines contain addresses and whole stanzas. So only its errors
// are logged above debug, and long numbers are masked.
type Logger struct {
	out    *Output
	module unique.Handle[string]     // thousands of clients have the same few parts
	silent bool                      // drops stanza dumps, because they contain pairing refs and all addresses
	stanza func(node *waBinary.Node) // of a silent logger: called with each stanza; may be nil
}

// Output is what the loggers of a client have in common.
type Output struct {
	Log *slog.Logger
	// Arrive is called with each stanza of WhatsApp's, on whatsmeow's reader, before whatsmeow handles or queues it. Leave is
	// called with each stanza of ours, just before its bytes leave. Both may be nil. These debug lines are the only place
	// where whatsmeow announces its stanzas.
	Arrive, Leave func(node *waBinary.Node)
	// Closing is closed when the client begins to close; it may be nil. Failures after that are a consequence of closing.
	Closing <-chan struct{}
	// Expected is an error that is our own doing; it may be nil.
	Expected error
}

var _ waLog.Logger = (*Logger)(nil)

// New returns the logger of a module. The loggers of its parts have the same output.
func New(module string, out Output) *Logger {
	return &Logger{out: &out, module: unique.Make(module)}
}

// Errorf logs an error at warn.
func (l *Logger) Errorf(msg string, args ...any) { l.write(slog.LevelWarn, msg, args) }

// Warnf logs a warning at debug.
func (l *Logger) Warnf(msg string, args ...any) { l.write(slog.LevelDebug, msg, args) }

// Infof logs at debug.
func (l *Logger) Infof(msg string, args ...any) { l.write(slog.LevelDebug, msg, args) }

// Debugf logs at debug. A silent logger passes a stanza on and logs nothing.
func (l *Logger) Debugf(msg string, args ...any) {
	if !l.silent {
		l.write(slog.LevelDebug, msg, args)
		return
	}
	if len(args) != 1 || l.stanza == nil {
		return
	}
	if node, is := args[0].(*waBinary.Node); is {
		l.stanza(node)
	}
}

// The parts of whatsmeow that log every stanza at debug.
const (
	moduleRecv = "Recv"
	moduleSend = "Send"
)

// Sub returns a logger for a part of whatsmeow.
func (l *Logger) Sub(module string) waLog.Logger {
	sub := &Logger{out: l.out, module: unique.Make(l.module.Value() + "/" + module), silent: l.silent}
	switch module {
	case moduleRecv:
		sub.stanza, sub.silent = l.out.Arrive, true
	case moduleSend:
		sub.stanza, sub.silent = l.out.Leave, true
	}
	return sub
}

// expected reports whether a failure is our own doing.
func (l *Logger) expected(args []any) bool {
	select {
	case <-l.out.Closing:
		return true
	default:
	}
	return slices.ContainsFunc(args, func(arg any) bool {
		err, is := arg.(error)
		return is && errors.Is(err, l.out.Expected)
	})
}

func (l *Logger) write(level slog.Level, msg string, args []any) {
	ctx := context.Background()
	if l.expected(args) {
		level = slog.LevelDebug
	}
	if !l.out.Log.Enabled(ctx, level) {
		return
	}
	text := fmt.Sprintf(msg, args...)
	if level > slog.LevelDebug {
		text, _, _ = strings.Cut(text, "\n") // whatsmeow adds the stack of a panic, which a stranger's message may cause
	}
	l.out.Log.Log(ctx, level, "whatsmeow", "module", l.module.Value(), "text", masking.Text(text))
}
