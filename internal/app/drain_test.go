package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"
)

// unlinkedClient is a client of the fleet's app that was never linked.
const unlinkedClient = fleetSize + 1

func TestSIGTERMAnswersEverybodyLetsTheSendEndAndClosesEverySocket(t *testing.T) {
	f := theFleet.use(t)
	events, end := f.server.Subscribe()
	defer end()
	child, call := apptest.ServeChild(t, f.config())
	loggedIn(t, events, fleetSize)
	apptest.Until(t, "all sessions are READY", func() bool {
		a := call.Get("/readyz", 1)
		return a.Status == 200 && a.Fields["restored"] == float64(fleetSize)
	})
	for _, fault := range []faults.Fault{
		{Kind: faults.WithholdQR},
		{Kind: faults.DelayAck, Delay: 3 * time.Second, Account: f.phones[0].Number()},
	} {
		if _, err := f.server.SetFault(fault); err != nil {
			t.Fatal(err)
		}
	}
	var waiting []<-chan apptest.Answer
	for range 5 {
		waiting = append(waiting, call.Ask(http.MethodGet, "/qr-code", unlinkedClient, ""))
	}
	sent := call.Ask(http.MethodPost, "/send", 1, `{"to":"`+f.phones[1].Number()+`","message":"last words"}`)
	struck := map[string]bool{}
	for event := range events {
		if event.Kind == observe.EventFault {
			struck[event.Detail] = true
		}
		if struck[string(faults.WithholdQR)] && struck[string(faults.DelayAck)] {
			break
		}
	}
	waiters := regexp.MustCompile(`(?m)^wasup_qr_waiters 5$`)
	apptest.Until(t, "all callers wait", func() bool { return waiters.Match(call.Get("/metrics", 1).Body) })
	child.Signal(syscall.SIGTERM)
	for _, given := range waiting {
		(<-given).Is(503).With("error", "SHUTTING_DOWN")
	}
	// While the send is in flight, a new request gets a 503, or its connection is refused.
	if a, err := call.Try(context.Background(), http.MethodGet, "/status", 1, "", nil); err == nil {
		a.Is(503).With("error", true, "code", "SHUTTING_DOWN")
	} else if !slices.ContainsFunc([]error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, io.EOF}, func(door error) bool { return errors.Is(err, door) }) {
		t.Errorf("a new request ended with %v", err)
	}
	id := (<-sent).Is(200).Text("message_id")
	if code := child.Wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	arrived(t, f.phones[1], id, phones.StatusRead)
	apptest.Until(t, "the server sees every socket closed", func() bool { return f.server.Counters().ConnectionsOpen == 0 })
}

// loggedIn waits until n sessions have logged in.
func loggedIn(t testing.TB, events <-chan observe.Event, n int) {
	t.Helper()
	timer := time.NewTimer(apptest.Patience)
	defer timer.Stop()
	for n > 0 {
		select {
		case event := <-events:
			if event.Kind == observe.EventActive {
				n--
			}
		case <-timer.C:
			t.Fatalf("%d sessions did not log in", n)
		}
	}
}
