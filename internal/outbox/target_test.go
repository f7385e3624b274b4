package outbox

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// acked puts a message into the ledger that WhatsApp acknowledged some time ago.
func (r *rig) acked(t *testing.T, to message.Recipient, age time.Duration) string {
	t.Helper()
	r.line.answers <- answer{ack: message.Ack{At: time.Now().Add(-age)}}
	asked := request("")
	asked.To = to
	sent, err := r.SendText(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	return sent.MessageID
}

func change(kind message.Kind, target string) message.Request {
	asked := request("")
	asked.Content = message.Content{Kind: kind, Target: &message.Ref{ID: target, FromMe: true}}
	switch kind {
	case message.KindEdit:
		asked.Content.Text = "hello"
	case message.KindReaction:
		asked.Content.Reaction = "👍"
	default:
	}
	return asked
}

func TestAChangeThatPhonesWouldIgnoreIsRefused(t *testing.T) {
	r := newRig(t, Options{})
	r.becomes("51", session.Ready)
	fresh, old := r.acked(t, request("").To, time.Minute), r.acked(t, request("").To, 21*time.Minute)
	group := r.acked(t, "120363000000000001@g.us", time.Minute)
	r.becomes("51", session.Reconnecting)
	for _, kind := range []message.Kind{message.KindEdit, message.KindRevoke, message.KindReaction} {
		for target, refused := range map[string]bool{fresh: false, old: kind == message.KindEdit, group: true, "3EB0UNKNOWN": false} {
			_, _, err := r.Enqueue(t.Context(), change(kind, target))
			if refused {
				wantCode(t, err, session.CodeInvalidRequest)
			} else if err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
	theirs := change(message.KindReaction, group)
	theirs.Content.Target = &message.Ref{ID: group, Sender: message.Address{PN: "5491100000001@s.whatsapp.net"}}
	if _, _, err := r.Enqueue(t.Context(), theirs); err != nil {
		t.Errorf("a message of somebody else that has an id of ours: %v", err)
	}
}

func TestAnEditThatWasAcceptedInTimeIsAnsweredAgainWhenItIsTooLate(t *testing.T) {
	r := newRig(t, Options{})
	r.becomes("51", session.Ready)
	asked := change(message.KindEdit, r.acked(t, request("").To, time.Minute))
	asked.Key = "edit-1"
	r.becomes("51", session.Reconnecting)
	first, existed, err := r.Enqueue(t.Context(), asked)
	if err != nil || existed {
		t.Fatal(existed, err)
	}
	r.ledger.mu.Lock() // the outbox reads the ledger in the background
	r.ledger.byID("51", asked.Content.Target.ID).AckedAt = time.Now().Add(-time.Hour)
	r.ledger.mu.Unlock()
	again, existed, err := r.Enqueue(t.Context(), asked)
	if err != nil || !existed || again.ID != first.ID {
		t.Fatalf("%+v, %v, %v", again, existed, err)
	}
	asked.Key = "edit-2"
	_, _, err = r.Enqueue(t.Context(), asked)
	wantCode(t, err, session.CodeInvalidRequest)
}

func TestAMessageOfTheAccountBeforeIsNotReferredTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.claim(t, ana)
		before := r.acked(t, request("").To, 0)
		r.becomes("51", session.NotInitialized)
		late := r.enqueue(t, "late")
		time.Sleep(time.Second)
		r.claim(t, bruno)
		if _, err := r.Requeue(t.Context(), "51", late); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		r.line.answers <- answer{ack: message.Ack{At: time.Now()}}
		r.becomes("51", session.Ready)
		synctest.Wait()
		r.becomes("51", session.Reconnecting)
		reply := request("")
		reply.Content.Quote = &message.Ref{ID: before, FromMe: true}
		requests := map[string]message.Request{"quote.id": reply}
		for _, kind := range []message.Kind{message.KindEdit, message.KindRevoke, message.KindReaction} {
			requests["target.id"] = change(kind, before)
			for field, request := range requests {
				_, _, err := r.Enqueue(t.Context(), request)
				wantCode(t, err, session.CodeInvalidRequest)
				wantField(t, err, field)
			}
			if _, _, err := r.Enqueue(t.Context(), change(kind, late)); err != nil {
				t.Errorf("%s of a message that left from this account: %v", kind, err)
			}
		}
	})
}

func TestWhatIsAboutAMessageOfTheAccountBeforeIsNotRequeued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.claim(t, ana)
		before := r.acked(t, request("").To, 0)
		r.becomes("51", session.DisconnectedLogout)
		accept := func(asked message.Request) string {
			t.Helper()
			m, _, err := r.Enqueue(t.Context(), asked)
			if err != nil {
				t.Fatal(err)
			}
			return m.ID
		}
		reply := request("")
		reply.Content.Quote = &message.Ref{ID: before, FromMe: true}
		about := map[string]string{accept(reply): "quote.id"}
		for _, kind := range []message.Kind{message.KindEdit, message.KindRevoke, message.KindReaction} {
			about[accept(change(kind, before))] = "target.id"
		}
		text := accept(request(""))
		edit := accept(change(message.KindEdit, text))
		time.Sleep(time.Second)
		r.claim(t, bruno)
		about[edit] = "target.id" // as long as the text stays
		for id, field := range about {
			_, err := r.Requeue(t.Context(), "51", id)
			wantCode(t, err, session.CodeInvalidRequest)
			wantField(t, err, field)
			r.is(t, id, message.Held)
		}
		delete(about, edit)
		r.line.auto = true
		if n, err := r.RequeueHeld(t.Context(), "51"); err != nil || n != 2 {
			t.Fatalf("requeued %d, %v", n, err)
		}
		r.becomes("51", session.Ready)
		synctest.Wait()
		if got := ids(r.line.wantSent(t, 3)); got[1] != text || got[2] != edit { // after the one before
			t.Errorf("sent %v", got)
		}
		for id, field := range about {
			if m := r.is(t, id, message.Failed); m.Failure.Code != session.CodeInvalidRequest || !strings.HasPrefix(m.Failure.Message, field) {
				t.Errorf("failed with %+v", m.Failure)
			}
		}
		if s := r.Stats(); s != (Stats{}) || r.Held("51") != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestNothingIsAboutAMessageThatNobodyHas(t *testing.T) {
	r := newRig(t, Options{})
	r.becomes("51", session.Reconnecting)
	m, _, err := r.Enqueue(t.Context(), request(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Cancel(t.Context(), "51", m.ID); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []message.Kind{message.KindEdit, message.KindRevoke, message.KindReaction} {
		_, _, err := r.Enqueue(t.Context(), change(kind, m.ID))
		wantCode(t, err, session.CodeInvalidRequest)
		wantField(t, err, "target.id")
	}
}

func wantField(t *testing.T, err error, want string) {
	t.Helper()
	var e *session.Error
	if !errors.As(err, &e) || e.Field != want {
		t.Errorf("%v names another field than %s", err, want)
	}
}
