package whatsapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/whatsapp"
)

// faulty is a log whose database fails, before or after it has stored an event.
type faulty struct {
	*store.Events
	mu     sync.Mutex
	before error
	after  error
}

func (f *faulty) Append(ctx context.Context, list ...events.Event) error {
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
			// The session ends the run and with it every send in flight. The error must name the database, not the message.
			over, end := context.WithCancel(testContext(t))
			end()
			if _, err := l.client.Send(over, text("3EB0000000000001", "34999999999@s.whatsapp.net")); session.CodeOf(err) != session.CodeStoreFull {
				t.Errorf("a send of a run that the database ended: %v", err)
			}
			log.fail(nil, nil)
			l = h.open("51")
			l.expect(session.SocketUp)
			var kept []events.Event
			ctx := testContext(t)
			for len(kept) < messages {
				var err error
				// The log also has receipts of the account's own phone.
				if kept, _, err = log.Read(ctx, events.Query{Session: "51", Types: []events.Type{events.TypeMessage}}); err != nil {
					t.Fatal(err)
				}
				select {
				case <-log.Appended():
				case <-ctx.Done():
					t.Fatalf("%d messages were kept", len(kept))
				case <-time.After(10 * time.Millisecond): // an earlier iteration may have taken the notification
				}
			}
			for i := range kept {
				var data events.MessageData
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

func (h *hearing) call(phone *sandbox.Phone, cfg phones.CallConfig) string {
	h.t.Helper()
	id, err := phone.PlaceCall(testContext(h.t), cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// hearsCall waits for the next event of a call and compares it.
func (h *hearing) hearsCall(want events.CallData) {
	h.t.Helper()
	var data events.CallData
	event := h.next(events.TypeCall, events.TypeGroup)
	if err := json.Unmarshal(event.Data, &data); err != nil || data.At.IsZero() {
		h.t.Errorf("%s, %v", event.Data, err)
	}
	if data.At = want.At; !reflect.DeepEqual(data, want) {
		h.t.Errorf("kept %+v, want %+v", data, want)
	}
}

func (h *hearing) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestCallsAreKept(t *testing.T) {
	h := newHearing(t)
	ctx := testContext(t)
	from := addressOf(h.peer)

	id := h.call(h.peer, phones.CallConfig{To: h.own.Number(), Video: true})
	h.hearsCall(events.CallData{ID: id, From: from, State: "ringing", Video: new(true)})
	h.must(h.own.AcceptCall(ctx, id))
	// WhatsApp reports twice that another device accepted the call, the second time as an end. The log stores it once, not
	// as an end.
	h.hearsCall(events.CallData{ID: id, From: from, State: "accepted"})

	id = h.call(h.peer, phones.CallConfig{To: h.own.Number()})
	h.hearsCall(events.CallData{ID: id, From: from, State: "ringing", Video: new(false)})
	h.must(h.own.RejectCall(ctx, id))
	h.hearsCall(events.CallData{ID: id, From: from, State: "rejected"})

	id = h.call(h.peer, phones.CallConfig{To: h.own.Number()})
	h.hearsCall(events.CallData{ID: id, From: from, State: "ringing", Video: new(false)})
	h.must(h.peer.EndCall(ctx, id))
	h.hearsCall(events.CallData{ID: id, From: from, State: "ended"})

	id = h.call(h.peer, phones.CallConfig{To: h.own.Number(), Ring: time.Millisecond})
	h.hearsCall(events.CallData{ID: id, From: from, State: "ringing", Video: new(false)})
	h.hearsCall(events.CallData{ID: id, From: from, State: "ended", Reason: "timeout"})

	group, err := h.peer.CreateGroup(ctx, phones.NewGroup{Subject: "Night shift", Members: []string{h.own.Number()}})
	h.must(err)
	id = h.call(h.peer, phones.CallConfig{To: group.String(), Video: true})
	called := message.Address{Group: group.String()}
	h.hearsCall(events.CallData{ID: id, From: from, State: "ringing", Video: new(true), Group: called})
	h.must(h.peer.EndCall(ctx, id))
	h.hearsCall(events.CallData{ID: id, From: from, State: "ended", Group: called})
	h.noSurprises()
}

func TestAMessageThatCannotBeReadIsToldAndFollowsUnderItsID(t *testing.T) {
	h := newHearing(t)
	group, err := h.peer.CreateGroup(testContext(t), phones.NewGroup{Subject: "Night shift", Members: []string{h.own.Number()}})
	h.must(err)
	h.next(events.TypeGroup)
	for _, test := range []struct {
		name        string
		to          string
		fault       faults.Fault
		unavailable string
	}{
		{"the ciphertext is broken", h.own.Number(), faults.Fault{Kind: faults.BadCiphertext}, ""},
		{"again, in a session that there is", h.own.Number(), faults.Fault{Kind: faults.BadCiphertext}, ""},
		{"in a group", group.String(), faults.Fault{Kind: faults.BadCiphertext}, ""},
		{"the phone alone has it", h.own.Number(), faults.Fault{Kind: faults.Unavailable}, ""},
		{"to be seen once", h.own.Number(), faults.Fault{Kind: faults.Unavailable, Variant: faults.VariantViewOnce}, "view_once"},
	} {
		test.fault.Account, test.fault.Count = h.own.Number(), 1
		_, err := h.server.SetFault(test.fault)
		h.must(err)
		id := h.send(h.peer, phones.Outgoing{To: test.to, Text: test.name})
		data, event := h.message(events.TypeUndecryptable)
		if data.ID != id || data.Content != nil || data.Sender != addressOf(h.peer) || data.FromMe || data.Unavailable != test.unavailable {
			t.Errorf("%s: told as %s", test.name, event.Data)
		}
		if data, event = h.message(events.TypeMessage); data.ID != id || data.Content == nil || data.Content.Text != test.name || data.Sender != addressOf(h.peer) {
			t.Errorf("%s: followed as %s", test.name, event.Data)
		}
	}
	h.noSurprises()
}

func TestNumbersThatNobodyCanMeanAreLeftOut(t *testing.T) {
	h := newHearing(t)
	raw, err := proto.Marshal(&waE2E.Message{AudioMessage: &waE2E.AudioMessage{
		FileLength: proto.Uint64(1 << 63), Seconds: proto.Uint32(math.MaxUint32), Waveform: someBytes(100), Mimetype: proto.String("audio/ogg"),
		ContextInfo: &waE2E.ContextInfo{Expiration: proto.Uint32(math.MaxUint32)},
	}})
	h.must(err)
	_, said, event := h.hear(phones.Outgoing{Kind: phones.KindRaw, Raw: raw}, events.TypeMessage)
	if m := said.Media; m == nil || m.Size != 0 || m.Seconds != 0 || len(m.Waveform) != 64 || slices.Max(m.Waveform) > 100 || said.Expires != 0 {
		t.Errorf("told as %s", event.Data)
	}
	h.noSurprises()
}

func TestWhatHasAnImpossibleTimeIsToldAndAcknowledged(t *testing.T) {
	for _, variant := range []string{faults.VariantMilliseconds, faults.VariantYear10000, faults.VariantBefore, faults.VariantZero} {
		t.Run(variant, func(t *testing.T) {
			h := newHearing(t)
			ctx := testContext(t)
			h.must(h.peer.SetScript(phones.ScriptDeliver)) // it reads when the test says so
			mine := "3EB0MINE"
			_, err := h.life.client.Send(ctx, message.Outgoing{ID: mine, To: message.Recipient(h.peer.JID().String()), Content: message.TextOf("mine")})
			h.must(err)
			_, err = h.peer.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == mine })
			h.must(err)
			h.fault(faults.Fault{Kind: faults.OddTime, Variant: variant, Account: h.own.Number()})
			// told waits for the next event of a type and checks its time.
			told := func(of events.Type) {
				t.Helper()
				var data struct {
					At time.Time `json:"timestamp"`
				}
				event := h.next(of, events.TypeReceipt)
				if err := json.Unmarshal(event.Data, &data); err != nil || time.Since(data.At).Abs() > time.Hour {
					t.Errorf("told as %s", event.Data)
				}
			}
			h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "hola"})
			told(events.TypeMessage)
			h.must(h.peer.MarkRead(ctx, mine))
			told(events.TypeReceipt)
			call := h.call(h.peer, phones.CallConfig{To: h.own.Number()})
			told(events.TypeCall)
			h.must(h.peer.EndCall(ctx, call))
			told(events.TypeCall)
			_, err = h.peer.CreateGroup(ctx, phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
			h.must(err)
			told(events.TypeGroup)
			h.fault(faults.Fault{Kind: faults.BadCiphertext, Account: h.own.Number(), Count: 1})
			h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "broken at first"})
			told(events.TypeUndecryptable)
			told(events.TypeMessage)
			h.life.nothingMore()
			h.life = h.open("51")
			h.life.expect(session.SocketUp)
			h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "the last"})
			if data, event := h.message(events.TypeMessage); data.Content.Text != "the last" {
				t.Errorf("came again: %s", event.Data)
			}
			h.noSurprises()
		})
	}
}

func TestWhatNobodyForesawIsToldAsSuch(t *testing.T) {
	h := newHearing(t)
	nan := math.NaN()
	for want, msg := range map[string]*waE2E.Message{
		"bcallMessage": {BcallMessage: &waE2E.BCallMessage{SessionID: proto.String("7")}},
		// A wrapper that the code does not know by name.
		"eventInviteMessage": {GroupMentionedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{EventInviteMessage: &waE2E.EventInviteMessage{}}}},
		// JSON has no NaN, and a place has no latitude of 91 degrees.
		"locationMessage":     {LocationMessage: &waE2E.LocationMessage{DegreesLatitude: &nan}},
		"liveLocationMessage": {LiveLocationMessage: &waE2E.LiveLocationMessage{DegreesLatitude: proto.Float64(91)}},
	} {
		raw, err := proto.Marshal(msg)
		h.must(err)
		_, said, _ := h.hear(phones.Outgoing{Kind: phones.KindRaw, Raw: raw}, events.TypeMessage)
		same(t, said, message.Content{Kind: message.KindUnknown, Unknown: want})
	}
	// An unknown field is named by its number.
	raw := protowire.AppendBytes(protowire.AppendTag(nil, 9999, protowire.BytesType), []byte("of next year"))
	_, said, _ := h.hear(phones.Outgoing{Kind: phones.KindRaw, Raw: raw}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindUnknown, Unknown: "field 9999"})
	// Messages between devices about keys give no event.
	raw, err := proto.Marshal(&waE2E.Message{SenderKeyDistributionMessage: &waE2E.SenderKeyDistributionMessage{}})
	h.must(err)
	h.send(h.peer, phones.Outgoing{To: h.own.Number(), Kind: phones.KindRaw, Raw: raw})
	h.hear(phones.Outgoing{Text: "the last"}, events.TypeMessage)
	h.noSurprises()
}
