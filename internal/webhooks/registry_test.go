package webhooks_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/webhooks"
)

func TestWebhooksAreRegisteredChangedAndDeleted(t *testing.T) {
	r, x := newRig(t, quick()).start(), newTarget(t, nil)
	hook := r.add(x.URL, func(w *webhooks.Webhook) { w.Headers = map[string]string{"X-A": "1", "X-B": "2"} })
	if !strings.HasPrefix(hook.ID, "wh_") || webhooks.CheckSecret(hook.Secret) != nil || hook.CreatedAt.IsZero() {
		t.Fatalf("made %+v", hook)
	}
	changed, err := r.Update(t.Context(), hook.ID, webhooks.Patch{
		URL: new(x.URL + "/b"), Description: new("b"), Events: &[]events.Type{events.TypeCall},
		Headers: map[string]*string{"x-a": new("3"), "X-B": nil, "X-C": new("4")},
	})
	if err != nil || changed.URL != x.URL+"/b" || changed.Description != "b" || len(changed.Events) != 1 ||
		!reflect.DeepEqual(changed.Headers, map[string]string{"x-a": "3", "X-C": "4"}) || !changed.Active || changed.Secret != hook.Secret {
		t.Fatalf("changed to %+v, %v", changed, err)
	}
	r.stop()
	r.start()
	if again, err := r.Get(hook.ID); err != nil || !reflect.DeepEqual(again, changed) || len(r.List()) != 1 {
		t.Fatalf("after a restart %+v, %v", again, err)
	}
	if err := r.Delete(t.Context(), hook.ID); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"delete": r.Delete(t.Context(), hook.ID), "get": second(r.Get(hook.ID)), "update": second(r.Update(t.Context(), hook.ID, webhooks.Patch{})),
		"rotate": second(r.Rotate(t.Context(), hook.ID, "")), "test": second(r.Test(t.Context(), hook.ID)), "status": second(r.Status(t.Context(), hook.ID)),
		"deliveries": second(r.Deliveries(t.Context(), hook.ID, 0, 1)), "dead": second(r.DeadLetters(t.Context(), hook.ID, "", 0, 1)),
		"requeue": second(r.Requeue(t.Context(), hook.ID, "", 0)), "discard": second(r.Discard(t.Context(), hook.ID, "", 0)),
		"replay": second(r.Replay(t.Context(), hook.ID, webhooks.Replay{})),
	} {
		if session.CodeOf(err) != session.CodeUnknownWebhook {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestBadWebhooksAreRefusedByName(t *testing.T) {
	r := newRig(t, webhooks.Options{}).start()
	for field, bad := range map[string]webhooks.Webhook{
		"url":         {URL: "http://127.0.0.1:8080/"},
		"description": {URL: "https://a.example/", Description: strings.Repeat("x", 201)},
		"events":      {URL: "https://a.example/", Events: []events.Type{"nothing"}},
		"headers":     {URL: "https://a.example/", Headers: map[string]string{"Webhook-Id": "1"}},
		"secret":      {URL: "https://a.example/", Secret: "whsec_short"},
	} {
		var e *session.Error
		if _, err := r.Create(t.Context(), bad, webhooks.Origin{}); !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := r.Create(t.Context(), webhooks.Webhook{URL: "https://a.example/", Session: "nobody"}, webhooks.Origin{}); session.CodeOf(err) != session.CodeNotFound {
		t.Errorf("a webhook of nobody: %v", err)
	}
	var e *session.Error
	if _, err := r.Create(t.Context(), webhooks.Webhook{URL: "https://a.example/"}, webhooks.Origin{Seq: 3}); !errors.As(err, &e) || e.Field != "from" {
		t.Errorf("a number without a session: %v", err)
	}
	if len(r.List()) != 0 {
		t.Errorf("made %+v", r.List())
	}
}

func TestBothSecretsSignAfterARotation(t *testing.T) {
	r, x := newRig(t, quick()).start(), newTarget(t, nil)
	hook := r.add(x.URL)
	rotated, err := r.Rotate(t.Context(), hook.ID, "")
	if err != nil || rotated.Secret == hook.Secret {
		t.Fatalf("%+v, %v", rotated, err)
	}
	r.happen("51", 1)
	r.settled(hook)
	g := x.requests()[0]
	for _, secret := range []string{hook.Secret, rotated.Secret} {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify([]byte(g.raw), g.header); err != nil {
			t.Error(err)
		}
	}
	if n := len(strings.Fields(g.header.Get("webhook-signature"))); n != 2 {
		t.Errorf("%d signatures", n)
	}
	own := "whsec_" + strings.Repeat("YWFh", 10)
	if given, err := r.Rotate(t.Context(), hook.ID, own); err != nil || given.Secret != own || given.OldSecret != rotated.Secret {
		t.Errorf("%+v, %v", given, err)
	}
	if _, err := r.Rotate(t.Context(), hook.ID, "whsec_no"); session.CodeOf(err) != session.CodeInvalidRequest {
		t.Error(err)
	}
}

func TestATestSaysWhatTheReceiverSaid(t *testing.T) {
	r := newRig(t, quick()).start()
	var status atomic.Int64
	status.Store(401)
	x := newTarget(t, func(w http.ResponseWriter, _ *http.Request, _ int) int {
		w.WriteHeader(int(status.Load()))
		_, _ = w.Write([]byte("who are you?"))
		return 0
	})
	hook := r.add(x.URL)
	d, err := r.Test(t.Context(), hook.ID)
	if err != nil || d.Outcome != webhooks.Refused || d.Status != 401 || d.Error != "status 401: who are you?" || d.Type != events.TypeTest {
		t.Fatalf("%+v, %v", d, err)
	}
	status.Store(200)
	if d, err = r.Test(t.Context(), hook.ID); err != nil || d.Outcome != webhooks.Delivered || d.Error != "" {
		t.Fatalf("%+v, %v", d, err)
	}
	verifier, err := standardwebhooks.NewWebhook(hook.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range x.requests() {
		if err := verifier.Verify([]byte(g.raw), g.header); err != nil || g.body.Type != events.TypeTest || !strings.HasPrefix(g.id, "msg_test_") {
			t.Errorf("%+v, %v", g, err)
		}
	}
	if list := r.deliveries(hook); len(list) != 2 || list[0].Type != events.TypeTest {
		t.Errorf("noted %+v", list)
	}
}

func TestATestOfAReceiverThatIsBackEndsTheWaiting(t *testing.T) {
	opts := quick()
	opts.RetryMin, opts.RetryMax = time.Hour, time.Hour
	r := newRig(t, opts).start()
	var up atomic.Bool
	x := newTarget(t, func(http.ResponseWriter, *http.Request, int) int {
		if up.Load() {
			return 200
		}
		return 503
	})
	hook := r.add(x.URL)
	for _, id := range names(8) {
		r.happen(id, 2)
	}
	eventually(t, "it counts as down", func() bool {
		s, err := r.Status(t.Context(), hook.ID)
		return err == nil && s.Failures >= webhooks.BreakAfter && !s.Retry.IsZero()
	})
	up.Store(true)
	if _, err := r.Test(t.Context(), hook.ID); err != nil {
		t.Fatal(err)
	}
	r.settled(hook)
}

func TestAWebhookEndsWithItsSession(t *testing.T) {
	r, x := newRig(t, quick()).start(), newTarget(t, nil)
	if _, err := r.st.Sessions().SetDesired(t.Context(), "51", session.DesiredStop); err != nil {
		t.Fatal(err)
	}
	own, all := r.add(x.URL+"/own", func(w *webhooks.Webhook) { w.Session = "51" }), r.add(x.URL+"/all")
	r.happen("51", 2)
	r.settled(own)
	if err := r.st.Sessions().Delete(t.Context(), "51"); err != nil {
		t.Fatal(err)
	}
	r.SessionRemoved("51")
	if left := r.List(); len(left) != 1 || left[0].ID != all.ID {
		t.Fatalf("left are %+v", left)
	}
	r.log(events.Event{Session: "51", Type: events.TypeRemoved, Data: []byte(`{}`)})
	r.settled(all)
	if last := x.requests()[x.count()-1]; last.body.Type != events.TypeRemoved || x.count() != 5 {
		t.Errorf("%d requests, the last is %+v", x.count(), last.body)
	}
}

func TestFiguresAreCountedWhenTheyAreRead(t *testing.T) {
	clock := &atomic.Int64{}
	opts := quick()
	opts.Now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
	r := newRig(t, opts).start()
	x := newTarget(t, nil)
	paused := r.add(x.URL)
	if _, err := r.Update(t.Context(), paused.ID, webhooks.Patch{Active: new(false)}); err != nil {
		t.Fatal(err)
	}
	r.add(x.URL)
	r.happen("51", 3)
	eventually(t, "the backlog is counted", func() bool {
		clock.Add(int64(time.Minute))
		f := r.Figures()
		return f.Backlog == 3 && f.Oldest > 0 && f.Webhooks[webhooks.StatePaused] == 1 && f.Webhooks[webhooks.StateDelivering] == 1
	})
}

// silent is a store with one webhook and nothing to deliver. It counts the calls.
type silent struct {
	webhooks.Tables
	asked atomic.Int64
}

func (s *silent) Tidy(context.Context) error { return nil }

func (s *silent) List(context.Context) ([]webhooks.Webhook, error) {
	return []webhooks.Webhook{{ID: "wh_1", URL: "https://a.example/", Active: true, Secret: "whsec_"}}, nil
}

func (s *silent) Behind(context.Context, webhooks.Webhook) ([]session.ID, error) {
	s.asked.Add(1)
	return nil, nil
}

func (s *silent) Requeued(context.Context, string, int) ([]webhooks.DeadLetter, error) {
	s.asked.Add(1)
	return nil, nil
}

func TestIdleWebhooksAskNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &silent{}
		w := webhooks.New(st, newGrowth(), webhooks.Options{})
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		before := st.asked.Load()
		time.Sleep(240 * time.Hour)
		synctest.Wait()
		if after := st.asked.Load(); before != 2 || after != before || w.Waiting() != 0 {
			t.Errorf("asked %d times in the beginning, %d ten days later; %d moments are waited for", before, after, w.Waiting())
		}
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStopIsLegalAtAnyTime(t *testing.T) {
	r := newRig(t, quick())
	w := webhooks.New(r.store, r.growth, r.opts)
	for range 2 {
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	w.SessionRemoved("51")
	_ = w.Figures()
	r.start()
	hang := make(chan struct{})
	x := newTarget(t, func(_ http.ResponseWriter, q *http.Request, _ int) int {
		close(hang)
		<-q.Context().Done()
		return 0
	})
	hook := r.add(x.URL)
	r.happen("51", 1)
	<-hang
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Stop(ctx); err != nil {
		t.Error(err)
	}
	if n := r.backlog(hook); n != 1 {
		t.Errorf("an attempt that was cut off counts: %d wait", n)
	}
	if list, err := r.store.Deliveries(t.Context(), hook.ID, 0, 10); err != nil || len(list) != 0 {
		t.Errorf("it is noted as %+v, %v", list, err)
	}
}

func TestThereAreOnlySoManyWebhooks(t *testing.T) {
	opts := quick()
	opts.Max, opts.PerSession = 3, 1
	r := newRig(t, opts)
	for _, id := range []session.ID{"51", "52"} {
		if _, err := r.st.Sessions().SetDesired(t.Context(), id, session.DesiredRun); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	of := func(id session.ID) func(*webhooks.Webhook) { return func(w *webhooks.Webhook) { w.Session = id } }
	refused := func(id session.ID, limit string) {
		t.Helper()
		var e *session.Error
		_, err := r.Create(t.Context(), webhooks.Webhook{URL: "https://a.example/", Session: id}, webhooks.Origin{})
		if !errors.As(err, &e) || e.Code != session.CodeTooManyWebhooks || !strings.Contains(e.Message, limit) {
			t.Errorf("one more of %q: %v", id, err)
		}
	}
	r.add("https://a.example/", of("51"))
	refused("51", "webhooks.per_session")
	last := r.add("https://a.example/", of("52"))
	r.add("https://a.example/")
	refused("", "webhooks.max")
	if err := r.Delete(t.Context(), last.ID); err != nil {
		t.Fatal(err)
	}
	r.add("https://a.example/", of("52"))
}
