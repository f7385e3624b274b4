package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	waLog "go.mau.fi/whatsmeow/util/log"

	"wasup/internal/whatsapp/masking"
)

// logger passes whatsmeow's log lines to ours. whatsmeow's lines contain addresses and whole stanzas. So only its
// errors are logged above debug, and long numbers are masked.
type logger struct {
	log    *slog.Logger
	module string
	silent bool // drops stanza dumps, because they contain pairing refs and all addresses
	// arrive is called with each stanza of WhatsApp's, on whatsmeow's reader, before whatsmeow handles or queues it. leave is
	// called with each stanza of ours, just before its bytes leave. Both may be nil. These debug lines are the only place
	// where whatsmeow announces its stanzas.
	arrive, leave func(node *waBinary.Node)
	// closing is closed when Close begins; it may be nil. Failures after that are a consequence of closing.
	closing <-chan struct{}
}

var _ waLog.Logger = (*logger)(nil)

func newLogger(log *slog.Logger, module string) *logger { return &logger{log: log, module: module} }

func (l *logger) Errorf(msg string, args ...any) { l.write(slog.LevelWarn, msg, args) }
func (l *logger) Warnf(msg string, args ...any)  { l.write(slog.LevelDebug, msg, args) }
func (l *logger) Infof(msg string, args ...any)  { l.write(slog.LevelDebug, msg, args) }

func (l *logger) Debugf(msg string, args ...any) {
	if !l.silent {
		l.write(slog.LevelDebug, msg, args)
		return
	}
	if len(args) != 1 {
		return
	}
	node, is := args[0].(*waBinary.Node)
	switch {
	case !is:
	case l.arrive != nil:
		l.arrive(node)
	case l.leave != nil:
		l.leave(node)
	}
}

// The parts of whatsmeow that log every stanza at debug.
const (
	moduleRecv = "Recv"
	moduleSend = "Send"
)

// Sub returns a logger for a part of whatsmeow.
func (l *logger) Sub(module string) waLog.Logger {
	sub := &logger{log: l.log, module: l.module + "/" + module, closing: l.closing, silent: l.silent}
	switch module {
	case moduleRecv:
		sub.arrive, sub.silent = l.arrive, true
	case moduleSend:
		sub.leave, sub.silent = l.leave, true
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
	l.log.Log(ctx, level, "whatsmeow", "module", l.module, "text", masking.Text(text))
}
