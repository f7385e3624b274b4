package whatsapp

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

// logger passes whatsmeow's log lines to ours. whatsmeow's lines contain addresses and whole stanzas. So only its
// errors are logged above debug, and long numbers are masked.
type logger struct {
	*tap
	module unique.Handle[string]     // thousands of clients have the same few parts
	silent bool                      // drops stanza dumps, because they contain pairing refs and all addresses
	stanza func(node *waBinary.Node) // of a silent logger: called with each stanza; may be nil
}

// tap is what the loggers of a client have in common.
type tap struct {
	log *slog.Logger
	// arrive is called with each stanza of WhatsApp's, on whatsmeow's reader, before whatsmeow handles or queues it. leave is
	// called with each stanza of ours, just before its bytes leave. Both may be nil. These debug lines are the only place
	// where whatsmeow announces its stanzas.
	arrive, leave func(node *waBinary.Node)
	// closing is closed when Close begins; it may be nil. Failures after that are a consequence of closing.
	closing <-chan struct{}
}

var _ waLog.Logger = (*logger)(nil)

func newLogger(log *slog.Logger, module string) *logger {
	return &logger{tap: &tap{log: log}, module: unique.Make(module)}
}

func (l *logger) Errorf(msg string, args ...any) { l.write(slog.LevelWarn, msg, args) }
func (l *logger) Warnf(msg string, args ...any)  { l.write(slog.LevelDebug, msg, args) }
func (l *logger) Infof(msg string, args ...any)  { l.write(slog.LevelDebug, msg, args) }

func (l *logger) Debugf(msg string, args ...any) {
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
func (l *logger) Sub(module string) waLog.Logger {
	sub := &logger{tap: l.tap, module: unique.Make(l.module.Value() + "/" + module), silent: l.silent}
	switch module {
	case moduleRecv:
		sub.stanza, sub.silent = l.arrive, true
	case moduleSend:
		sub.stanza, sub.silent = l.leave, true
	}
	return sub
}

// expected reports whether a failure is our own doing.
func (l *logger) expected(args []any) bool {
	select {
	case <-l.closing:
		return true
	default:
	}
	return slices.ContainsFunc(args, func(arg any) bool {
		err, is := arg.(error)
		return is && errors.Is(err, errOursToDelete)
	})
}

func (l *logger) write(level slog.Level, msg string, args []any) {
	ctx := context.Background()
	if l.expected(args) {
		level = slog.LevelDebug
	}
	if !l.log.Enabled(ctx, level) {
		return
	}
	text := fmt.Sprintf(msg, args...)
	if level > slog.LevelDebug {
		text, _, _ = strings.Cut(text, "\n") // whatsmeow adds the stack of a panic, which a stranger's message may cause
	}
	l.log.Log(ctx, level, "whatsmeow", "module", l.module.Value(), "text", masking.Text(text))
}
