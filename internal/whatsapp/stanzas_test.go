package whatsapp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/whatsapp"
)

// slow is a journal that blocks on the first message until open is closed, and records the texts.
type slow struct {
	*store.Events
	first sync.Once
	held  chan struct{} // closed when the first message is held
	open  chan struct{}

	mu    sync.Mutex
	texts []string
	told  chan struct{}
}

func (s *slow) Append(ctx context.Context, list ...events.Event) error {
	for _, event := range list {
		if event.Type != events.TypeMessage {
			continue
		}
		s.first.Do(func() {
			close(s.held)
			<-s.open
		})
		var data events.MessageData
		if err := json.Unmarshal(event.Data, &data); err != nil {
			return err
		}
		s.mu.Lock()
		s.texts = append(s.texts, data.Content.Text)
		s.mu.Unlock()
		select {
		case s.told <- struct{}{}:
		default:
		}
	}
	return nil // do not store it: this test is not about the log, and storing takes time
}

func (s *slow) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts[:len(s.texts):len(s.texts)]
}

// More stanzas arrive at once than whatsmeow's own queue holds; whatsmeow alone would lose their order.
func TestThousandsThatComeAtOnceKeepTheirOrder(t *testing.T) {
	const messages = 2200
	log := &slow{held: make(chan struct{}), open: make(chan struct{}), told: make(chan struct{}, 1)}
	h := newHouse(t, sandbox.Config{}, func(cfg *whatsapp.Config) {
		log.Events = cfg.Journal.(*store.Events)
		cfg.Journal = log
	})
	own, peer := h.phone(), h.phone()
	l := h.ready("51", own)
	ctx := testContext(t)
	for i := range messages {
		if _, err := peer.SendText(ctx, own.Number(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	<-log.held
	for h.dialer.StanzasWaiting() < messages {
		select {
		case <-ctx.Done():
			t.Fatalf("%d wait", h.dialer.StanzasWaiting())
		case <-time.After(time.Millisecond):
		}
	}
	// Requests are answered meanwhile.
	if _, err := l.client.(message.Client).CheckContacts(ctx, []string{peer.Number()}); err != nil {
		t.Error(err)
	}
	close(log.open)
	for len(log.heard()) < messages {
		select {
		case <-ctx.Done():
			t.Fatalf("%d came", len(log.heard()))
		case <-log.told:
		}
	}
	for i, text := range log.heard() {
		if text != fmt.Sprint(i) {
			t.Fatalf("%s came as number %d", text, i)
		}
	}
	h.noSurprises()
}

// tardy is a journal that stays busy for a while after the context of its first message has ended.
type tardy struct {
	*store.Events
	first sync.Once
	held  chan struct{} // closed when the first message is held
	ended atomic.Bool
}

func (j *tardy) Append(ctx context.Context, list ...events.Event) error {
	if slices.ContainsFunc(list, func(e events.Event) bool { return e.Type == events.TypeMessage }) {
		j.first.Do(func() {
			close(j.held)
			<-ctx.Done()
			<-time.After(100 * time.Millisecond)
			j.ended.Store(true)
		})
	}
	return ctx.Err()
}

func TestAClosedClientHandlesNoStanzaAnyMore(t *testing.T) {
	for name, end := range map[string]func(h *house, l *life, cancel context.CancelFunc) error{
		"Close": func(_ *house, l *life, _ context.CancelFunc) error {
			l.client.Close()
			return nil
		},
		"the end of its context, and Dialer.Stop": func(h *house, _ *life, cancel context.CancelFunc) error {
			cancel()
			return h.dialer.Stop(testContext(h.t))
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := &tardy{held: make(chan struct{})}
			h := newHouse(t, sandbox.Config{}, func(cfg *whatsapp.Config) {
				log.Events = cfg.Journal.(*store.Events)
				cfg.Journal = log
			})
			own, peer := h.phone(), h.phone()
			h.link("51", own)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			l, err := h.begin(ctx, "51")
			if err != nil {
				t.Fatal(err)
			}
			l.expect(session.SocketUp)
			if _, err := peer.SendText(testContext(t), own.Number(), "in hand"); err != nil {
				t.Fatal(err)
			}
			<-log.held
			if err := end(h, l, cancel); err != nil {
				t.Fatal(err)
			}
			if !log.ended.Load() {
				t.Error("the client is closed, and a stanza is still being handled")
			}
			l.nothingMore()
		})
	}
}

func TestAPanicOfWhatsmeowsEndsItsRunAlone(t *testing.T) {
	for name, variant := range map[string]string{"in a handler": faults.VariantStanza, "in its reader": faults.VariantTagless} {
		t.Run(name, func(t *testing.T) { panicEndsOneRun(t, variant) })
	}
}

func panicEndsOneRun(t *testing.T, variant string) {
	t.Helper()
	h := newHouse(t, sandbox.Config{})
	own, other, peer := h.phone(), h.phone(), h.phone()
	l, beside := h.ready("51", own), h.ready("52", other)
	fault := h.fault(faults.Fault{Kind: faults.MalformedFrame, Variant: variant, Device: h.bound("51"), Count: 1})
	ctx := testContext(t)
	if _, err := peer.SendText(ctx, own.Number(), "after what nobody can handle"); err != nil {
		t.Fatal(err)
	}
	crash := l.expect(session.Crashed)
	if crash.Detail == "" || crash.Stack == "" {
		t.Errorf("the crash says %+v", crash)
	}
	l.nothingMore()
	h.server.ClearFault(fault)
	h.open("51").expect(session.SocketUp)
	for id, number := range map[session.ID]string{"51": own.Number(), "52": other.Number()} {
		if _, err := peer.SendText(ctx, number, "still there"); err != nil {
			t.Fatal(err)
		}
		h.hears(id, "still there")
	}
	h.hears("51", "after what nobody can handle")
	beside.nothingMore()
}

// hears waits until a text is in the session's log.
func (h *house) hears(id session.ID, text string) {
	h.t.Helper()
	ctx := testContext(h.t)
	for {
		kept, _, err := h.store.Events().Read(ctx, events.Query{Session: id, Types: []events.Type{events.TypeMessage}})
		if err != nil {
			h.t.Fatal(err)
		}
		for i := range kept {
			var data events.MessageData
			if err = json.Unmarshal(kept[i].Data, &data); err == nil && data.Content.Text == text {
				return
			}
		}
		select {
		case <-ctx.Done():
			h.t.Fatalf("%s has not heard %q", id, text)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
