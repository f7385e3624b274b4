package whatsapp

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/session"
)

// quietClient returns a client that never connects, for tests of its inputs.
func quietClient(post func(session.Input)) *Client {
	r := newRun(context.Background(), session.Run{Session: "a", Incarnation: 3, Post: post}, false, slog.New(slog.DiscardHandler))
	own := &account{}
	return &Client{
		acceptance: &acceptance{},
		run:        r, account: own,
		pairing: &pairing{run: r, account: own}, receiving: &receiving{run: r},
	}
}

func TestAPanicInTheHandlerIsPosted(t *testing.T) {
	var got []session.Input
	c := quietClient(func(in session.Input) { got = append(got, in) })
	c.handle((*events.TemporaryBan)(nil))
	if len(got) != 1 || got[0].Kind != session.Crashed || got[0].Incarnation != 3 {
		t.Fatalf("posted %+v", got)
	}
	if !strings.Contains(got[0].Detail, "event handler") || !strings.Contains(got[0].Stack, "classify") {
		t.Errorf("detail %q, stack %q", got[0].Detail, got[0].Stack)
	}
}

func TestAPanicWhilePostingStaysInside(t *testing.T) {
	posts := 0
	c := quietClient(func(session.Input) { posts++; panic("mailbox") })
	c.handle(&events.QR{})
	if posts == 0 {
		t.Error("nothing was posted, so nothing panicked")
	}
}

func TestAPanicWhilePairingRefusesIt(t *testing.T) {
	var got []session.Input
	c := quietClient(func(in session.Input) { got = append(got, in) }) // without a store, accepting a pairing panics
	if c.pairing.accept(testJID, "", "") {
		t.Error("the pairing was accepted")
	}
	if len(got) != 1 || got[0].Kind != session.Crashed {
		t.Errorf("posted %+v", got)
	}
}

func TestARunSaysNothingAfterItsEnd(t *testing.T) {
	for _, last := range []any{
		&events.StreamReplaced{}, &events.TemporaryBan{}, &events.ClientOutdated{}, &events.ConnectFailure{},
		&events.ManualLoginReconnect{}, &events.PairPasskeyError{},
	} {
		var got []session.Input
		c := quietClient(func(in session.Input) { got = append(got, in) })
		c.handle(&events.PairPasskeyRequest{})
		c.handle(last)
		c.handle(&events.Connected{})
		if len(got) != 2 {
			t.Errorf("%T: posted %+v", last, got)
		}
	}
}

func TestTheLoginRequestWaitsForThePairingItBelongsTo(t *testing.T) {
	var got []session.InputKind
	c := quietClient(func(in session.Input) { got = append(got, in.Kind) })
	c.run.post(session.Input{Kind: session.Scanned})
	got = nil
	c.handle(&events.ManualLoginReconnect{})
	c.run.step(runInput{kind: inputConnectionEnded})
	if len(got) != 0 {
		t.Fatalf("posted %v", got)
	}
	c.handle(&events.PairSuccess{ID: testJID})
	if len(got) != 2 || got[0] != session.Paired || got[1] != session.LoginReconnect {
		t.Errorf("posted %v", got)
	}
}

func TestAnEndThatOvertakesThePairingIsNotForgotten(t *testing.T) {
	var got []session.InputKind
	c := quietClient(func(in session.Input) { got = append(got, in.Kind) })
	c.run.post(session.Input{Kind: session.Scanned})
	got = nil
	c.run.step(runInput{kind: inputConnectionEnded})
	c.handle(&events.PairSuccess{ID: testJID})
	if len(got) != 2 || got[0] != session.Paired || got[1] != session.SocketLost {
		t.Errorf("posted %v", got)
	}
}

func TestWhatsmeowsFailuresThatWeCauseAreNoWarnings(t *testing.T) {
	var out bytes.Buffer
	c := quietClient(func(session.Input) {})
	c.run.log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))
	log := c.logger().Sub("Database")
	log.Errorf("Failed to delete: %v", fmt.Errorf("delete: %w", errOursToDelete))
	close(c.run.closing)
	log.Errorf("Failed to fetch")
	if out.Len() != 0 {
		t.Errorf("logged %q", out.String())
	}
}
