package accept

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a listener whose Accept fails with the errors, one after the other, and then returns a connection.
type failing struct {
	errs []error
	conn net.Conn
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) == 0 {
		return f.conn, nil
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

func (*failing) Close() error { return nil }

func (*failing) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3001} }

// ofAccept is an error as accept returns it.
func ofAccept(errno syscall.Errno) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
}

func TestAShortagePasses(t *testing.T) {
	t.Parallel()
	for _, errno := range append([]syscall.Errno{syscall.EAGAIN}, shortages...) {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			defer func() { _, _ = a.Close(), b.Close() }()
			asked := 0
			l := Wrap(&failing{errs: []error{ofAccept(errno), ofAccept(errno), ofAccept(errno)}, conn: a}, Options{Short: func() { asked++ }})
			began := time.Now()
			got, err := l.Accept()
			if err != nil || got != a || l.Failed() != 3 || asked != 3 {
				t.Errorf("%v: %v, %v after %d failures, %d calls of Short", errno, got, err, l.Failed(), asked)
			}
			if took := time.Since(began); took != 35*time.Millisecond {
				t.Errorf("%v: it paused for %s, expected 5 + 10 + 20 ms", errno, took)
			}
		})
	}
}

func TestOtherErrorsEndTheListener(t *testing.T) {
	t.Parallel()
	for _, err := range []error{ofAccept(syscall.EINVAL), ofAccept(syscall.EBADF), net.ErrClosed} {
		l := Wrap(&failing{errs: []error{err}}, Options{})
		if _, got := l.Accept(); !errors.Is(got, err) {
			t.Errorf("%v, expected %v", got, err)
		}
	}
}

func TestAShortageIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var errs []error
		for range 150 { // the pauses grow to a second: this is more than two minutes
			errs = append(errs, ofAccept(noDescriptor))
		}
		l := Wrap(&failing{errs: errs}, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 3 {
			t.Fatalf("%d lines:\n%s", len(lines), log.String())
		}
		for _, part := range []string{"ulimit -n", "127.0.0.1:3001", "attempts=1 "} {
			if !strings.Contains(lines[0], part) {
				t.Errorf("%q is not in %s", part, lines[0])
			}
		}
		if !strings.Contains(lines[2], "attempts=60 ") {
			t.Errorf("the attempts between two lines are not counted: %s", lines[2])
		}
	})
}

func TestClosingEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := Wrap(&failing{errs: []error{ofAccept(noDescriptor), ofAccept(noDescriptor)}}, Options{})
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		synctest.Wait()
		began := time.Now()
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) || time.Since(began) != 0 {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestConnectionsLeaveDescriptorsToTheSessions(t *testing.T) {
	t.Parallel()
	for descriptors, want := range map[uint64]int{0: 65_536, 3: 1, 512: 128, 1024: 256, 20_000: 5000, 524_288: 65_536, 1 << 63: 65_536} {
		if got := connectionsOf(descriptors); got != want {
			t.Errorf("%d descriptors: %d connections, expected %d", descriptors, got, want)
		}
	}
	if Connections() < 1 {
		t.Error("no connection is allowed")
	}
}
