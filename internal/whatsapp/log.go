package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"

	waBinary "go.mau.fi/whatsmeow/binary"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// logger is whatsmeow's logger over ours. What it says at info or above carries no number: whatsmeow puts addresses
// and whole stanzas into its lines, so only its errors rise above debug, and those masked.
type logger struct {
	log    *slog.Logger
	module string
	silent bool // stanza dumps: they carry pairing refs and every address, and are of no use without the source
	// arrive is told of every stanza that comes, on whatsmeow's reader and before whatsmeow queues it; nil: nobody is.
	// whatsmeow says it nowhere else.
	arrive func(tag string)
	// closing is closed when the run is ended by its owner; nil: never. What then fails is what was taken away.
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
	if l.arrive == nil || len(args) != 1 {
		return
	}
	if node, is := args[0].(*waBinary.Node); is {
		l.arrive(node.Tag)
	}
}

// Sub is a logger for a part of whatsmeow. Recv and Send log every stanza at debug.
func (l *logger) Sub(module string) waLog.Logger {
	sub := &logger{log: l.log, module: l.module + "/" + module, closing: l.closing, silent: l.silent || module == "Recv" || module == "Send"}
	if module == "Recv" {
		sub.arrive = l.arrive
	}
	return sub
}

// expected reports whether what fails does so because of us.
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
	l.log.Log(ctx, level, "whatsmeow", "module", l.module, "text", mask(fmt.Sprintf(msg, args...)))
}

// numbers are runs of digits as long as a phone number or a LID may be, and long hexadecimal or base64 runs, which are
// keys and payloads.
var numbers = regexp.MustCompile(`[0-9]{5,}|[0-9A-Za-z+/=_-]{40,}`)

func mask(text string) string { return numbers.ReplaceAllString(text, "…") }

// unnamed is an error of whatsmeow as it may be logged: its own text names addresses.
type unnamed struct{ err error }

func (u unnamed) Error() string { return mask(u.err.Error()) }
func (u unnamed) Unwrap() error { return u.err }
