package whatsapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"

	"wasup/events"
	"wasup/sandbox"
	"wasup/session"
	"wasup/store"
	"wasup/whatsapp"
)

// faulty is the log behind a database that fails, before or after it has stored something.
type faulty struct {
	*store.Events
	mu     sync.Mutex
	before error
	after  error
}

func (f *faulty) Append(ctx context.Context, list ...session.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.before != nil {
		return f.before
	}
	return errors.Join(f.Events.Append(ctx, list...), f.after)
}

func (f *faulty) fail(before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

func TestWhatCouldNotBeKeptComesAgainInItsOrderAndIsKeptOnce(t *testing.T) {
	full := &session.Error{Code: session.CodeStoreFull, Op: "append events"}
	for name, fault := range map[string][2]error{"before it was stored": {full, nil}, "after it was stored": {nil, full}} {
		t.Run(name, func(t *testing.T) {
			var log *faulty
			h := newHouse(t, sandbox.Config{}, func(cfg *whatsapp.Config) {
				log = &faulty{Events: cfg.Journal.(*store.Events)}
				cfg.Journal = log
			})
			own, peer := h.phone(), h.phone()
			l := h.ready("51", own)
			log.fail(fault[0], fault[1])
			const messages = 6
			for i := range messages {
				if _, err := peer.SendText(testContext(t), own.Number(), fmt.Sprint("text ", i)); err != nil {
					t.Fatal(err)
				}
			}
			l.expect(session.StoreFailed)
			l.nothingMore()
			log.fail(nil, nil)
			l = h.open("51")
			l.expect(session.SocketUp)
			var kept []session.Event
			ctx := testContext(t)
			for len(kept) < messages {
				var err error
				// Beside them are receipts of the account's own phone.
				if kept, _, err = log.Read(ctx, events.Query{Session: "51", Types: []session.EventType{session.EventMessage}}); err != nil {
					t.Fatal(err)
				}
				select {
				case <-log.Appended():
				case <-ctx.Done():
					t.Fatalf("%d messages were kept", len(kept))
				case <-time.After(10 * time.Millisecond): // a word may have been taken by an earlier look
				}
			}
			for i := range kept {
				var data session.MessageData
				if err := json.Unmarshal(kept[i].Data, &data); err != nil || data.Content.Text != fmt.Sprint("text ", i) {
					t.Errorf("at %d there is %s, %v", i, kept[i].Data, err)
				}
			}
			h.noSurprises()
			if counters := h.server.Counters(); counters.Retries != 0 {
				t.Errorf("%d messages were asked for again", counters.Retries)
			}
		})
	}
}

func TestCallsAndMessagesThatCannotBeReadAreKept(t *testing.T) {
	h := newHearing(t)
	meta := types.BasicCallMeta{
		From: h.peer.LID(), CallCreator: h.peer.LID(), CallCreatorAlt: h.peer.JID(), CallID: "C1", Timestamp: time.Unix(1_780_000_000, 0),
	}
	video := &waBinary.Node{Tag: "offer", Content: []waBinary.Node{{Tag: "video"}}}
	for _, test := range []struct {
		evt   any
		state string
		video bool
	}{
		{&waevents.CallOffer{BasicCallMeta: meta, Data: video}, "ringing", true},
		{&waevents.CallAccept{BasicCallMeta: meta}, "accepted", false},
		{&waevents.CallReject{BasicCallMeta: meta}, "rejected", false},
		{&waevents.CallTerminate{BasicCallMeta: meta}, "ended", false},
	} {
		for range 2 { // told twice, kept once
			if !whatsapp.Handle(h.life.client, test.evt) {
				t.Fatalf("%s was not kept", test.state)
			}
		}
		want := session.CallData{ID: "C1", From: addressOf(h.peer), State: test.state, Video: test.video, At: meta.Timestamp.UTC()}
		var data session.CallData
		if err := json.Unmarshal(h.next(session.EventCall).Data, &data); err != nil || data != want {
			t.Errorf("%+v, want %+v", data, want)
		}
	}
	info := types.MessageInfo{
		MessageSource: types.MessageSource{Chat: h.peer.LID(), Sender: h.peer.LID(), SenderAlt: h.peer.JID()}, ID: "3EB0", Timestamp: meta.Timestamp,
	}
	if !whatsapp.Handle(h.life.client, &waevents.UndecryptableMessage{Info: info}) {
		t.Fatal("it was not kept")
	}
	if data, _ := h.message(session.EventUndecryptable); data.ID != "3EB0" || data.Content != nil || data.Sender != addressOf(h.peer) {
		t.Errorf("%+v", data)
	}
	// What nobody foresaw is told as such, wrapped in whatever WhatsApp thinks of next.
	evt := &waevents.Message{Info: info, RawMessage: &waE2E.Message{SpoilerMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{
		OrderMessage: &waE2E.OrderMessage{},
	}}}}
	whatsapp.Handle(h.life.client, evt.UnwrapRaw())
	if data, _ := h.message(session.EventMessage); data.Content.Kind != session.KindUnknown || data.Content.Unknown != "orderMessage" {
		t.Errorf("%+v", data.Content)
	}
	// A shape that breaks the reading is no reason to lose it, or to ask for it for ever.
	nan := 0.0
	nan /= nan
	evt = &waevents.Message{Info: info, RawMessage: &waE2E.Message{LocationMessage: &waE2E.LocationMessage{DegreesLatitude: &nan}}}
	evt.Info.ID = "3EB1"
	whatsapp.Handle(h.life.client, evt.UnwrapRaw())
	if data, _ := h.message(session.EventMessage); data.ID != "3EB1" || data.Content.Kind != session.KindUnknown {
		t.Errorf("%+v", data)
	}
	// Devices talk about keys among themselves.
	evt = &waevents.Message{Info: info, RawMessage: &waE2E.Message{SenderKeyDistributionMessage: &waE2E.SenderKeyDistributionMessage{}}}
	whatsapp.Handle(h.life.client, evt.UnwrapRaw())
	whatsapp.Handle(h.life.client, &waevents.CallTerminate{BasicCallMeta: types.BasicCallMeta{CallID: "last"}})
	h.next(session.EventCall)
}
