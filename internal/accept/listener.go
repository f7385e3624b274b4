package accept

import (
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The pauses between two attempts to accept a connection. They double.
const (
	leastPause = 5 * time.Millisecond
	mostPause  = time.Second
)

// Options are optional.
type Options struct {
	Log *slog.Logger // gets one record a minute; nil is silent
	// Short is called after each accept that failed for a moment. It may close connections, to make room.
	Short func()
}

// Listener is a net.Listener whose Accept fails only for good. While no connection can be accepted, new ones wait in the
// queue of the system.
type Listener struct {
	net.Listener

	options Options
	failed  atomic.Uint64
	rarely  Rarely

	once   sync.Once
	closed chan struct{}
}

// Wrap returns inner as a Listener.
func Wrap(inner net.Listener, options Options) *Listener {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	return &Listener{Listener: inner, options: options, closed: make(chan struct{})}
}

// Accept returns the next connection. It waits while the process or the system has no descriptor or memory for it.
func (l *Listener) Accept() (net.Conn, error) {
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		c, err := l.Listener.Accept()
		if err == nil || !passes(err) {
			return c, err //nolint:wrapcheck // servers compare it with net.ErrClosed
		}
		l.failed.Add(1)
		l.report(err)
		if l.options.Short != nil {
			l.options.Short()
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-l.closed:
			timer.Stop()
			return nil, net.ErrClosed
		}
	}
}

// Close stops listening. It is idempotent.
func (l *Listener) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}

// Failed returns how many attempts to accept a connection have failed.
func (l *Listener) Failed() uint64 { return l.failed.Load() }

// passes reports whether a later accept can succeed.
func passes(err error) bool {
	if slices.ContainsFunc(shortages, func(errno syscall.Errno) bool { return errors.Is(err, errno) }) {
		return true
	}
	var e net.Error
	// net/http asks the same. For the errors of accept it means what it says.
	return errors.As(err, &e) && (e.Timeout() || e.Temporary()) //nolint:staticcheck // see above
}

func (l *Listener) report(err error) {
	before, ok := l.rarely.Now()
	if !ok {
		return
	}
	l.options.Log.Error("connections cannot be accepted, new ones have to wait", "detail", advice(err),
		"address", l.Addr().String(), "limit", Descriptors(), "attempts", before+1, "err", err)
}

// advice says what to do about an error of accept.
func advice(err error) string {
	switch {
	case errors.Is(err, noDescriptor):
		return "the process has no file descriptor left; raise its limit (ulimit -n), or lower the number of sessions or connections"
	case errors.Is(err, noDescriptorAnywhere):
		return "the whole system has no file descriptor left"
	default:
		return "the system refuses them for the moment"
	}
}

// Rarely lets one event a minute pass. The zero value is usable.
type Rarely struct {
	mu     sync.Mutex
	last   time.Time
	passed int // events since then
}

// Now reports whether the event may pass, and how many did not since the last one that did.
func (r *Rarely) Now() (before int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && time.Since(r.last) < time.Minute {
		r.passed++
		return 0, false
	}
	before, r.passed, r.last = r.passed, 0, time.Now()
	return before, true
}
