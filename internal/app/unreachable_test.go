package app

import (
	"net"
	"strings"
	"testing"
	"time"

	"wasup/internal/app/apptest"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/session"
)

func TestAServerThatCannotBeReachedOrTrustedIsToldInTheLogOnceAnAttempt(t *testing.T) {
	// nobody is the local port of an open connection: it refuses connections as long as the connection is open. A port
	// that was only closed could be taken by another program.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	end, err := net.Dial("tcp", taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	nobody := end.LocalAddr().String()
	stranger, err := sandbox.New(sandbox.Config{}) // it signs with its own root
	if err == nil {
		err = stranger.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer apptest.CloseSandbox(t, stranger)
	for name, c := range map[string]struct {
		url, why string
		cause    session.Cause
	}{
		"unreachable": {"ws://" + nobody + sandbox.Path, "connection refused", session.CauseSocketLost},
		"wrong root":  {stranger.URL(), "certificate not signed by the configured root key", session.CauseUntrustedServer},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, func(cfg *configs.Config) {
				cfg.WhatsApp.WebsocketURL = c.url
				cfg.QR.Wait = 200 * time.Millisecond
				cfg.Session.BackoffMax = 50 * time.Millisecond
			})
			a := h.Get("/qr-code", 1).Is(504).With("error", "QR_TIMEOUT", "wait_time_ms", 200)
			if state := session.State(a.Text("current_state")); !state.Transitional() {
				t.Errorf("the state is %s", state)
			}
			for range 3 {
				h.comes(1, session.DisconnectedRecoverable, c.cause)
			}
			h.close()
			told, detailed, failed := 0, 0, h.seen.count("1", session.DisconnectedRecoverable)
			for line := range strings.SplitSeq(h.log.String(), "\n") {
				switch {
				case !strings.Contains(line, c.why):
				case strings.Contains(line, "level=INFO"):
					told++
				case strings.Contains(line, "could not be opened"): // a debug line: repeated ones are not left out
					detailed++
				}
			}
			if told == 0 || told > failed || detailed != failed {
				t.Errorf("%d attempts failed and the log says %d times why, with details %d times", failed, told, detailed)
			}
		})
	}
}
