package whatsapp_test

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/whatsapp"
)

// allergic is a log that cannot store some events.
type allergic struct {
	*store.Events
	mu    sync.Mutex
	fails func(*events.Event) error
}

func (a *allergic) Append(ctx context.Context, list ...events.Event) error {
	a.mu.Lock()
	fails := a.fails
	a.mu.Unlock()
	for i := range list {
		if fails == nil {
			break
		}
		if err := fails(&list[i]); err != nil {
			return err
		}
	}
	return a.Events.Append(ctx, list...)
}

func (a *allergic) fail(fails func(*events.Event) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fails = fails
}

// refuses fails for events whose data contain a word.
func refuses(word string, fails func() error) func(*events.Event) error {
	return func(e *events.Event) error {
		if strings.Contains(string(e.Data), word) {
			return fails()
		}
		return nil
	}
}

func newAllergic(t *testing.T) (*hearing, *allergic) {
	t.Helper()
	var log *allergic
	h := &hearing{house: newHouse(t, sandbox.Config{}, func(cfg *whatsapp.Config) {
		log = &allergic{Events: cfg.Journal.(*store.Events)}
		cfg.Journal = log
	})}
	h.own, h.peer = h.phone(), h.phone()
	h.life = h.ready("51", h.own)
	return h, log
}

// again waits for the end of the run and opens the next one. What was not acknowledged may come before the login is
// complete.
func (h *hearing) again(kind session.InputKind) {
	h.t.Helper()
	in := h.life.next()
	if in.Kind == session.SocketUp {
		in = h.life.next()
	}
	if in.Kind != kind {
		h.t.Fatalf("got %s (%s), want %s", in.Kind, in.Detail, kind)
	}
	h.life.nothingMore()
	h.life = h.open("51")
}

func unavailable() error {
	return &session.Error{Code: session.CodeStoreUnavailable, Op: "append events"}
}

func TestAMessageThatFailsEachTimeIsToldInPartAndTheNextIsReceived(t *testing.T) {
	for name, test := range map[string]struct {
		fails func() error
		ends  session.InputKind
	}{
		"the database refuses it":   {unavailable, session.StoreFailed},
		"storing it takes too long": {func() error { return context.DeadlineExceeded }, session.StoreFailed},
		"storing it panics":         {func() error { panic("a bug") }, session.Crashed},
	} {
		t.Run(name, func(t *testing.T) {
			h, log := newAllergic(t)
			log.fail(refuses("poison", test.fails))
			id := h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "poison"})
			after := h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "the next"})
			h.again(test.ends)
			h.again(test.ends)
			data, _ := h.message(events.TypeMessage)
			if data.ID != id || data.Content == nil || data.Content.Kind != message.KindUnknown || data.Sender != addressOf(h.peer) {
				t.Errorf("told as %+v", data)
			}
			if data, _ = h.message(events.TypeMessage); data.ID != after || data.Content.Text != "the next" {
				t.Errorf("then came %+v", data)
			}
			h.life.client.Close()
			h.life = h.open("51")
			h.life.expect(session.SocketUp)
			last := h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "the last"})
			if data, _ = h.message(events.TypeMessage); data.ID != last {
				t.Errorf("came again: %+v", data)
			}
			h.noSurprises()
		})
	}
}

func TestADatabaseThatIsDownForManyRunsLosesNothing(t *testing.T) {
	h, log := newAllergic(t)
	log.fail(refuses("", unavailable))
	id := h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "hola"})
	for range 5 {
		h.again(session.StoreFailed)
	}
	log.fail(nil)
	h.life.client.Close()
	h.life = h.open("51")
	if data, _ := h.message(events.TypeMessage); data.ID != id || data.Content.Text != "hola" {
		t.Errorf("told as %+v", data)
	}
	h.noSurprises()
}

func TestAReceiptAndAGroupThatFailEachTimeKeepNobodyFromReceiving(t *testing.T) {
	h, log := newAllergic(t)
	ctx := testContext(t)
	h.must(h.peer.SetScript(phones.ScriptDeliver)) // it reads when the test says so
	if _, err := h.life.client.Send(ctx, message.Outgoing{ID: "3EB0MINE", To: message.Recipient(h.peer.LID().String()), Content: message.TextOf("mine")}); err != nil {
		t.Fatal(err)
	}
	_, err := h.peer.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == "3EB0MINE" })
	h.must(err)
	h.next(events.TypeReceipt) // delivered
	log.fail(func(e *events.Event) error {
		if e.Receipt != nil { // its messages cannot be changed
			return unavailable()
		}
		return nil
	})
	h.must(h.peer.MarkRead(ctx, "3EB0MINE"))
	h.again(session.StoreFailed)
	h.again(session.StoreFailed)
	var receipt events.ReceiptData
	if err := json.Unmarshal(h.next(events.TypeReceipt).Data, &receipt); err != nil || receipt.Status != events.ReceiptRead {
		t.Errorf("%+v, %v", receipt, err)
	}
	log.fail(refuses("poison", unavailable))
	group, err := h.peer.CreateGroup(ctx, phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
	h.must(err)
	h.next(events.TypeGroup)
	subject := "poison"
	h.must(h.peer.ChangeGroup(ctx, group, phones.GroupChange{Subject: &subject}))
	h.again(session.StoreFailed)
	h.again(session.StoreFailed)
	var change events.GroupData
	if err := json.Unmarshal(h.next(events.TypeGroup).Data, &change); err != nil || change.Change != events.GroupName || change.Value != "" {
		t.Errorf("%+v, %v", change, err)
	}
	last := h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "the last"})
	if data, _ := h.message(events.TypeMessage); data.ID != last {
		t.Errorf("%+v", data)
	}
	h.noSurprises()
}

func TestAMessageWhoseKeysCannotBeStoredIsAskedForAgain(t *testing.T) {
	h := newHearing(t)
	exec := func(statement string) {
		t.Helper()
		_, err := h.store.DB().Exec(testContext(t), statement)
		h.must(err)
	}
	exec("CREATE TRIGGER poison BEFORE INSERT ON whatsmeow_event_buffer WHEN instr(NEW.plaintext, CAST('hola' AS BLOB)) > 0 BEGIN SELECT RAISE(ABORT, 'no'); END")
	id := h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "hola"})
	h.again(session.StoreFailed)
	h.again(session.StoreFailed)
	if data, event := h.message(events.TypeUndecryptable); data.ID != id || data.Sender != addressOf(h.peer) {
		t.Errorf("told as %s", event.Data)
	}
	exec("DROP TRIGGER poison")
	if data, event := h.message(events.TypeMessage); data.ID != id || data.Content.Text != "hola" {
		t.Errorf("then came %s", event.Data)
	}
	h.noSurprises()
}

// slowQueries makes each statement of a database take some milliseconds longer, and counts them.
type slowQueries struct {
	dbutil.DatabaseLogger
	ctx   context.Context
	mu    sync.Mutex
	count int
}

func (s *slowQueries) QueryTiming(context.Context, string, string, []any, int, time.Duration, error) {
	s.mu.Lock()
	s.count++
	s.mu.Unlock()
	select {
	case <-time.After(3 * time.Millisecond):
	case <-s.ctx.Done():
	}
}

func TestAMessageWithThousandsOfMentionsIsReceivedFromASlowDatabase(t *testing.T) {
	slow := &slowQueries{DatabaseLogger: dbutil.NoopLogger, ctx: testContext(t)}
	h := &hearing{house: newHouse(t, sandbox.Config{}, func(cfg *whatsapp.Config) {
		for _, db := range []**dbutil.Database{&cfg.DB, &cfg.Read} {
			copied := **db
			copied.Log = slow
			*db = &copied
		}
	})}
	h.own, h.peer = h.phone(), h.phone()
	h.life = h.ready("51", h.own)
	var names []string
	for i := range 20_000 {
		names = append(names, "1000000000"+strings.Repeat("0", 5-len(strconv.Itoa(i)))+strconv.Itoa(i)+"@lid")
	}
	raw, err := proto.Marshal(&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
		Text: proto.String("all of you"), ContextInfo: &waE2E.ContextInfo{MentionedJID: names},
	}})
	h.must(err)
	slow.mu.Lock()
	before := slow.count
	slow.mu.Unlock()
	_, said, _ := h.hear(phones.Outgoing{Kind: phones.KindRaw, Raw: raw}, events.TypeMessage)
	slow.mu.Lock()
	statements := slow.count - before
	slow.mu.Unlock()
	if len(said.Mentions) != 1024 || statements > 50 {
		t.Errorf("%d mentions, %d statements", len(said.Mentions), statements)
	}
	h.hear(phones.Outgoing{Text: "the next"}, events.TypeMessage)
	h.life.nothingMore()
	h.noSurprises()
}
