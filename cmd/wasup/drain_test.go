package main

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

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

// unlinkedClient is a client of the fleet's app that was never linked.
const unlinkedClient = fleetSize + 1

// ask makes a request in the background.
func (c caller) ask(method, path string, client int64, body string) <-chan answer {
	given := make(chan answer, 1)
	go func() {
		a, err := c.try(context.Background(), method, path, client, body, nil)
		if err != nil {
			c.tb.Errorf("%s %s: %v", method, path, err)
		}
		given <- a
	}()
	return given
}

func TestSIGTERMAnswersEverybodyLetsTheSendEndAndClosesEverySocket(t *testing.T) {
	f := theFleet.use(t)
	events, end := f.server.Subscribe()
	defer end()
	child, call := serveChild(t, f.config())
	loggedIn(t, events, fleetSize)
	until(t, "all sessions are READY", func() bool {
		a := call.get("/readyz", 1)
		return a.status == 200 && a.fields["restored"] == float64(fleetSize)
	})
	for _, fault := range []faults.Fault{
		{Kind: faults.WithholdQR},
		{Kind: faults.DelayAck, Delay: 3 * time.Second, Account: f.phones[0].Number()},
	} {
		if _, err := f.server.SetFault(fault); err != nil {
			t.Fatal(err)
		}
	}
	var waiting []<-chan answer
	for range 5 {
		waiting = append(waiting, call.ask(http.MethodGet, "/qr-code", unlinkedClient, ""))
	}
	sent := call.ask(http.MethodPost, "/send", 1, `{"to":"`+f.phones[1].Number()+`","message":"last words"}`)
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
	until(t, "all callers wait", func() bool { return waiters.Match(call.get("/metrics", 1).body) })
	child.signal(syscall.SIGTERM)
	for _, given := range waiting {
		(<-given).is(503).with("error", "SHUTTING_DOWN")
	}
	// While the send is in flight: a new request is refused, politely or at the door.
	if a, err := call.try(context.Background(), http.MethodGet, "/status", 1, "", nil); err == nil {
		a.is(503).with("error", true, "code", "SHUTTING_DOWN")
	} else if !slices.ContainsFunc([]error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, io.EOF}, func(door error) bool { return errors.Is(err, door) }) {
		t.Errorf("a new request ended with %v", err)
	}
	id := (<-sent).is(200).text("message_id")
	if code := child.wait(); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	arrived(t, f.phones[1], id, phones.StatusRead)
	until(t, "the server sees every socket closed", func() bool { return f.server.Counters().ConnectionsOpen == 0 })
}

// loggedIn waits until so many sessions have logged in.
func loggedIn(t testing.TB, events <-chan observe.Event, n int) {
	t.Helper()
	timer := time.NewTimer(patience)
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

func TestASecondSIGTERMExitsAtOnce(t *testing.T) {
	server := newSandbox(t, sandbox.Config{})
	cfg := quick(server, newDSN(t))
	cfg.Shutdown.Timeout = 10 * patience
	cfg.Send.Timeout = 10 * patience
	h := open(t, server, cfg, thrift(t, cfg.Store.DSN))
	phone := h.linked(1)
	h.close()
	if _, err := server.SetFault(faults.Fault{Kind: faults.WithholdAck, Account: phone.Number()}); err != nil {
		t.Fatal(err)
	}
	events, end := server.Subscribe()
	defer end()
	child, call := serveChild(t, cfg)
	loggedIn(t, events, 1)
	until(t, "READY", func() bool { return call.get("/status", 1).fields["state"] == "READY" })
	cut := make(chan error, 1)
	go func() {
		_, err := call.try(context.Background(), http.MethodPost, "/send", 1, `{"to":"`+phone.Number()+`","message":"x"}`, nil)
		cut <- err
	}()
	for event := range events {
		if event.Kind == observe.EventFault {
			break
		}
	}
	child.signal(syscall.SIGTERM)
	child.says(regexp.MustCompile("msg=stopping"))
	child.signal(syscall.SIGTERM)
	if code := child.wait(); code != exitAborted {
		t.Fatalf("exit code %d, want %d", code, exitAborted)
	}
	if err := <-cut; err == nil {
		t.Error("the send was answered: there was nothing to cut short")
	}
}
