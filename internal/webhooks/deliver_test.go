package webhooks_test

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/webhooks"
)

func TestEventsArriveInOrderAndSigned(t *testing.T) {
	r, x := newRig(t, quick()).start(), newTarget(t, nil)
	hook := r.add(x.URL+"/in?key=k", func(w *webhooks.Webhook) { w.Headers = map[string]string{"X-Tenant": "a", "Authorization": "Bearer b"} })
	for _, id := range []session.ID{"51", "52"} {
		r.happen(id, 40)
	}
	r.settled(hook)
	x.wantOnce(t, 2, 40)
	verifier, err := standardwebhooks.NewWebhook(hook.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range x.requests() {
		if err := verifier.Verify([]byte(g.raw), g.header); err != nil {
			t.Fatal(err)
		}
		if own := ownSignature(t, hook.Secret, g); own != g.header.Get("webhook-signature") {
			t.Fatalf("signed %q, want %q", g.header.Get("webhook-signature"), own)
		}
		if g.header.Get("X-Tenant") != "a" || g.header.Get("Authorization") != "Bearer b" || g.header.Get("Content-Type") != "application/json" {
			t.Fatalf("headers are %v", g.header)
		}
	}
	sorted := x.requests()
	slices.SortFunc(sorted, func(a, b got) int { return cmp.Compare(a.body.Pos, b.body.Pos) })
	first := sorted[0]
	at := first.body.At.Format("2006-01-02T15:04:05.999Z07:00")
	want := fmt.Sprintf(`{"type":"message.received","timestamp":%q,"session":"51","seq":1,"pos":1,"data":{"text":"<hola> & ⚽"}}`, at)
	if first.raw != want {
		t.Errorf("body is %s, want %s", first.raw, want)
	}
	for _, d := range r.deliveries(hook) {
		if d.Outcome != webhooks.Delivered || d.Status != 204 || d.Attempt != 1 || d.Error != "" {
			t.Errorf("noted %+v", d)
		}
	}
	if logs := r.logs.String(); strings.Contains(logs, "Bearer") || strings.Contains(logs, "whsec") || strings.Contains(logs, "key=k") {
		t.Error("a secret is in the log")
	}
}

// ownSignature computes a signature as the specification says, without the library.
func ownSignature(t *testing.T, secret string, g got) string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, g.header.Get("webhook-id")+"."+g.header.Get("webhook-timestamp")+"."+g.raw)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestWhatFailsIsSentAgainBeforeWhatFollows(t *testing.T) {
	for name, behave := range map[string]func(w http.ResponseWriter, r *http.Request, n int) int{
		"errors":   func(_ http.ResponseWriter, _ *http.Request, n int) int { return []int{500, 204, 503}[n%3] },
		"refusals": func(_ http.ResponseWriter, _ *http.Request, n int) int { return []int{404, 200, 401}[n%3] },
		"redirects to self": func(w http.ResponseWriter, r *http.Request, n int) int {
			w.Header().Set("Location", "/x")
			return []int{302, 201}[n%2]
		},
		"no answers": func(_ http.ResponseWriter, _ *http.Request, n int) int {
			if n%2 == 0 {
				panic(http.ErrAbortHandler)
			}
			return 200
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, x := newRig(t, quick()).start(), newTarget(t, behave)
			hook := r.add(x.URL)
			r.happen("51", 12)
			r.happen("52", 12)
			r.settled(hook)
			x.wantOrder(t, 2, 12)
		})
	}
}

func TestAnAnswerCountsByItsStatusWhateverFollows(t *testing.T) {
	hang := make(chan struct{})
	for name, behave := range map[string]func(w http.ResponseWriter, r *http.Request, n int) int{
		"a huge body": func(w http.ResponseWriter, _ *http.Request, _ int) int {
			chunk := []byte(strings.Repeat("x", 1<<16))
			for range 512 {
				if _, err := w.Write(chunk); err != nil {
					break
				}
			}
			return 0
		},
		"a body that never ends": func(w http.ResponseWriter, r *http.Request, _ int) int {
			_, _ = io.WriteString(w, "ok")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-hang:
			}
			return 0
		},
		"less than it promised": func(w http.ResponseWriter, _ *http.Request, _ int) int {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "short")
			return 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, x := newRig(t, quick()).start(), newTarget(t, behave)
			hook := r.add(x.URL)
			r.happen("51", 3)
			r.settled(hook)
			x.wantOnce(t, 1, 3)
		})
	}
	close(hang)
}

func TestWhatTheReceiverSaidIsKeptShort(t *testing.T) {
	r := newRig(t, quick()).start()
	x := newTarget(t, func(w http.ResponseWriter, _ *http.Request, _ int) int {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "\x1b[31mno\x00 such \xfftenant "+strings.Repeat("é", 5000)+"\nsecond line")
		return 0
	})
	hook := r.add(x.URL)
	r.happen("51", 1)
	eventually(t, "an attempt is noted", func() bool { return len(r.deliveries(hook)) > 0 })
	d := r.deliveries(hook)[0]
	if d.Outcome != webhooks.Refused || d.Status != 400 || !strings.HasPrefix(d.Error, "status 400: [31mno  such tenant é") ||
		len([]rune(d.Error)) > webhooks.MostKept+20 || strings.Contains(d.Error, "second") {
		t.Errorf("kept %+v", d)
	}
}

func TestADeadReceiverDelaysNobody(t *testing.T) {
	const sessions, each = 200, 1
	opts := quick()
	opts.Requests, opts.PerWebhook, opts.RetryMax = 4, 4, time.Hour
	r, release := newRig(t, opts).start(), make(chan struct{})
	var inside, most atomic.Int64
	dead := newTarget(t, func(_ http.ResponseWriter, r *http.Request, _ int) int {
		most.Store(max(most.Load(), inside.Add(1)))
		defer inside.Add(-1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return 204
	})
	live := newTarget(t, nil)
	var hooks []webhooks.Webhook
	for range 2 { // more than can run
		hooks = append(hooks, r.add(dead.URL))
	}
	good := r.add(live.URL)
	ids := names(sessions)
	for range each {
		for _, id := range ids {
			r.happen(id, 1)
		}
	}
	r.settled(good)
	live.wantOnce(t, sessions, each)
	if n := most.Load(); n > int64(len(hooks)*opts.PerWebhook) {
		t.Errorf("%d requests waited for dead receivers at once", n)
	}
	close(release) // the receivers answer again
	for _, hook := range hooks {
		r.settled(hook)
	}
	if n := dead.count(); n != len(hooks)*sessions*each {
		t.Errorf("%d requests reached those that were dead, want %d", n, len(hooks)*sessions*each)
	}
}

func TestAReceiverThatIsDownIsAskedByOneAtATime(t *testing.T) {
	const sessions = 100
	opts := quick()
	opts.RetryMin, opts.RetryMax = 20*time.Millisecond, 50*time.Millisecond
	r := newRig(t, opts).start()
	var up atomic.Bool
	x := newTarget(t, func(http.ResponseWriter, *http.Request, int) int {
		if up.Load() {
			return 204
		}
		return 500
	})
	hook := r.add(x.URL)
	for _, id := range names(sessions) {
		r.happen(id, 2)
	}
	eventually(t, "it counts as down", func() bool {
		s, err := r.Status(t.Context(), hook.ID)
		return err == nil && s.Failures >= webhooks.BreakAfter+2 && s.Backlog == 2*sessions && s.Sessions == sessions && !s.Failing.IsZero()
	})
	if n := x.count(); n >= sessions {
		t.Errorf("%d requests, as if nobody had noticed", n)
	}
	up.Store(true)
	r.settled(hook)
	x.wantOrder(t, sessions, 2)
	eventually(t, "it counts as well", func() bool {
		s, err := r.Status(t.Context(), hook.ID)
		return err == nil && s.Failures == 0 && s.Failing.IsZero() && s.Backlog == 0 && s.Sessions == 0 && s.Last != nil && s.Retry.IsZero()
	})
}

func TestNothingIsSkippedWhenItIsKilledInBetween(t *testing.T) {
	const sessions, each = 20, 15
	r := newRig(t, quick())
	reached := make(chan struct{}, 10_000)
	x := newTarget(t, func(_ http.ResponseWriter, _ *http.Request, n int) int {
		reached <- struct{}{}
		if n%7 == 0 {
			return 500
		}
		return 204
	})
	r.start()
	hook := r.add(x.URL)
	for round := range each {
		for _, id := range names(sessions) {
			r.happen(id, 1)
		}
		for range round {
			<-reached
		}
		r.kill()
		r.start()
	}
	r.settled(hook)
	x.wantOrder(t, sessions, each)
}

func TestTheDatabaseMayFailInBetween(t *testing.T) {
	r, x := newRig(t, quick()), newTarget(t, nil)
	broken := &brokenStore{Tables: r.store}
	r.store = broken
	r.start()
	hook := r.add(x.URL)
	broken.fail.Store(true)
	r.happen("51", 5)
	r.happen("52", 5)
	eventually(t, "the database was asked", func() bool { return broken.asked.Load() > 20 })
	broken.fail.Store(false)
	r.settled(hook)
	x.wantOrder(t, 2, 5)
	for _, d := range r.deliveries(hook) {
		if d.Outcome != webhooks.Delivered {
			t.Errorf("the receiver is blamed: %+v", d)
		}
	}
}

// brokenStore fails every fifth call of the methods that deliveries use, and every call while fail is set.
type brokenStore struct {
	webhooks.Tables
	fail  atomic.Bool
	asked atomic.Int64
}

var errBroken = &session.Error{Code: session.CodeStoreUnavailable, Op: "test", Err: errors.New("pulled the plug")}

func (b *brokenStore) err() error {
	if n := b.asked.Add(1); b.fail.Load() || n%5 == 0 {
		return errBroken
	}
	return nil
}

func (b *brokenStore) Behind(ctx context.Context, hook webhooks.Webhook) ([]session.ID, error) {
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.Tables.Behind(ctx, hook)
}

func (b *brokenStore) Cursor(ctx context.Context, hook webhooks.Webhook, id session.ID) (webhooks.Cursor, error) {
	if err := b.err(); err != nil {
		return webhooks.Cursor{}, err
	}
	return b.Tables.Cursor(ctx, hook, id)
}

func (b *brokenStore) ReadLog(ctx context.Context, id session.ID, after uint64, types []events.Type, limit int) ([]events.Event, uint64, error) {
	if err := b.err(); err != nil {
		return nil, after, err
	}
	return b.Tables.ReadLog(ctx, id, after, types, limit)
}

func (b *brokenStore) Record(ctx context.Context, list []webhooks.Progress) ([]bool, error) {
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.Tables.Record(ctx, list)
}

func TestRetryAfterIsHonoured(t *testing.T) {
	r := newRig(t, quick()).start()
	x := newTarget(t, func(w http.ResponseWriter, _ *http.Request, n int) int {
		if n == 1 {
			w.Header().Set("Retry-After", "120")
			return 429
		}
		return 204
	})
	hook := r.add(x.URL)
	r.happen("51", 1)
	eventually(t, "an attempt is noted", func() bool { return len(r.deliveries(hook)) == 1 })
	r.happen("52", 1) // another session for the same receiver
	var s webhooks.Status
	eventually(t, "the pause is known", func() bool {
		var err error
		s, err = r.Status(t.Context(), hook.ID)
		return err == nil && !s.Retry.IsZero()
	})
	if asked := r.deliveries(hook)[0].At.Add(2 * time.Minute); s.Retry.Before(asked) || s.Retry.After(asked.Add(patience)) {
		t.Errorf("the next attempt is at %s, want a little after %s", s.Retry, asked)
	}
	if c, err := r.store.Cursor(t.Context(), hook, "51"); err != nil || c.NextAt.Before(time.Now().Add(time.Minute)) || c.Attempts != 1 {
		t.Errorf("stored %+v, %v", c, err)
	}
	if n := x.count(); n != 1 {
		t.Errorf("%d requests", n)
	}
	// A person changes the webhook.
	if _, err := r.Update(t.Context(), hook.ID, webhooks.Patch{Active: new(true)}); err != nil {
		t.Fatal(err)
	}
	r.settled(hook)
}

func TestAnEventThatHasHadItsTimeIsADeadLetter(t *testing.T) {
	opts := quick()
	opts.RetryFor = time.Millisecond
	r := newRig(t, opts).start()
	var heal atomic.Bool
	x := newTarget(t, func(w http.ResponseWriter, _ *http.Request, n int) int {
		return 204
	})
	picky := newTarget(t, nil)
	picky.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, _ := io.ReadAll(q.Body)
		if strings.Contains(string(raw), `"seq":2,`) && !heal.Load() {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		x.Config.Handler.ServeHTTP(w, withBody(q, raw))
	})
	hook := r.add(picky.URL)
	r.happen("51", 4)
	r.settled(hook)
	letters, err := r.DeadLetters(t.Context(), hook.ID, "", 0, 10)
	if err != nil || len(letters) != 1 || letters[0].Event.Seq != 2 || letters[0].Status != 422 || letters[0].Attempts < 2 || letters[0].Error != "status 422" {
		t.Fatalf("dead are %+v, %v", letters, err)
	}
	if n := x.count(); n != 3 {
		t.Fatalf("%d others arrived", n)
	}
	// Requeue once while the receiver still refuses, and once when it accepts.
	if n, err := r.Requeue(t.Context(), hook.ID, "51", 0); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	attempts := letters[0].Attempts
	eventually(t, "it failed again", func() bool {
		letters, err = r.DeadLetters(t.Context(), hook.ID, "", 0, 10)
		return err == nil && len(letters) == 1 && letters[0].Attempts == attempts+1 && !letters[0].Requeued
	})
	heal.Store(true)
	if n, err := r.Requeue(t.Context(), hook.ID, "", letters[0].Event.Pos); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	eventually(t, "it is delivered", func() bool {
		letters, err = r.DeadLetters(t.Context(), hook.ID, "", 0, 10)
		return err == nil && len(letters) == 0
	})
	if last := x.requests()[3]; last.body.Seq != 2 || last.raw == "" {
		t.Errorf("the last one is %+v", last)
	}
}

func withBody(q *http.Request, raw []byte) *http.Request {
	q.Body = io.NopCloser(strings.NewReader(string(raw)))
	return q
}

func TestAReceiverThatIsGoneSwitchesItsWebhookOff(t *testing.T) {
	r := newRig(t, quick()).start()
	x := newTarget(t, func(_ http.ResponseWriter, _ *http.Request, n int) int {
		if n == 3 {
			return 410
		}
		return 204
	})
	hook := r.add(x.URL)
	r.happen("51", 4)
	eventually(t, "it is switched off", func() bool {
		w, err := r.Get(hook.ID)
		return err == nil && !w.Active && w.Disabled == webhooks.DisabledGone
	})
	r.happen("51", 1)
	r.kill()
	r.start()
	if w, err := r.Get(hook.ID); err != nil || w.Active || r.backlog(hook) != 3 {
		t.Fatalf("after a restart %+v, %v, backlog %d", w, err, r.backlog(hook))
	}
	if w, err := r.Update(t.Context(), hook.ID, webhooks.Patch{Active: new(true)}); err != nil || !w.Active || w.Disabled != "" {
		t.Fatalf("%+v, %v", w, err)
	}
	r.settled(hook)
	x.wantOrder(t, 1, 5)
	if n := x.count(); n != 6 {
		t.Errorf("%d requests", n)
	}
}

func TestAPausedWebhookKeepsItsPlace(t *testing.T) {
	r, x := newRig(t, quick()).start(), newTarget(t, nil)
	hook := r.add(x.URL)
	r.happen("51", 2)
	r.settled(hook)
	if _, err := r.Update(t.Context(), hook.ID, webhooks.Patch{Active: new(false)}); err != nil {
		t.Fatal(err)
	}
	r.happen("51", 3)
	r.happen("52", 1)
	other := r.add(x.URL + "/other") // when it gets the event, all lanes have been woken
	r.happen("53", 1)
	r.settled(other)
	for _, g := range x.requests()[2:] {
		if g.body.Session != "53" {
			t.Errorf("a paused webhook delivered %+v", g.body)
		}
	}
	if _, err := r.Update(t.Context(), hook.ID, webhooks.Patch{Active: new(true)}); err != nil {
		t.Fatal(err)
	}
	r.settled(hook)
	if n := x.count(); n != 2+1+3+1+1 {
		t.Errorf("%d requests", n)
	}
}

func TestOnlyWhatIsWantedIsDelivered(t *testing.T) {
	r, x := newRig(t, quick()), newTarget(t, nil)
	r.happen("51", 3)
	r.start()
	for _, id := range []session.ID{"51", "52"} {
		if _, err := r.st.Sessions().SetDesired(t.Context(), id, session.DesiredStop); err != nil {
			t.Fatal(err)
		}
	}
	of := func(id session.ID) func(*webhooks.Webhook) { return func(w *webhooks.Webhook) { w.Session = id } }
	hooks := []webhooks.Webhook{
		r.addFrom(webhooks.Origin{Beginning: true}, x.URL+"/all"),
		r.addFrom(webhooks.Origin{Seq: 2}, x.URL+"/second", of("51")),
		r.add(x.URL+"/52", of("52")),
		r.add(x.URL+"/calls", func(w *webhooks.Webhook) { w.Events = []events.Type{events.TypeCall} }),
	}
	r.happen("51", 520) // more than farAhead
	r.happen("52", 1)
	r.log(events.Event{Session: "51", Type: events.TypeCall, Data: []byte(`{}`)})
	r.log(events.Event{Session: "53", Type: events.TypeState, Data: []byte(`{}`)})
	for _, hook := range hooks {
		r.settled(hook)
	}
	want := map[string]int{"/all": 3 + 520 + 1 + 1 + 1, "/second": 2 + 520 + 1, "/52": 1, "/calls": 1}
	for _, hook := range hooks {
		path := strings.TrimPrefix(hook.URL, x.URL)
		n := 0
		for _, d := range x.requests() {
			if d.id == webhooks.MessageID(hook.ID, &events.Event{Session: d.body.Session, Type: d.body.Type, Seq: d.body.Seq, Pos: d.body.Pos, At: d.body.At}) {
				n++
			}
		}
		if n != want[path] {
			t.Errorf("%s got %d, want %d", path, n, want[path])
		}
	}
}

func TestWhatWasDeliveredIsDeliveredOnceMore(t *testing.T) {
	r, x := newRig(t, quick()).start(), newTarget(t, nil)
	hook := r.add(x.URL)
	r.happen("51", 5)
	r.happen("52", 2)
	r.settled(hook)
	first := x.requests()
	slices.SortFunc(first, func(a, b got) int { return cmp.Compare(a.body.Pos, b.body.Pos) })
	again := func(replay webhooks.Replay, want ...string) {
		t.Helper()
		before := x.count()
		if _, err := r.Replay(t.Context(), hook.ID, replay); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("%+v came again", replay), func() bool { return x.count() >= before+len(want) && r.backlog(hook) == 0 })
		var came []string
		for _, g := range x.requests()[before:] {
			came = append(came, fmt.Sprint(g.body.Session, "/", g.body.Seq))
			if !slices.ContainsFunc(first, func(f got) bool { return f.id == g.id && f.raw == g.raw }) {
				t.Errorf("%s has another id or body than the first time", g.raw)
			}
		}
		slices.Sort(came)
		if !slices.Equal(came, want) {
			t.Errorf("%+v brought %v, want %v", replay, came, want)
		}
	}
	again(webhooks.Replay{Session: "51", Seq: 4}, "51/4", "51/5")
	again(webhooks.Replay{Session: "52"}, "52/1", "52/2")
	again(webhooks.Replay{Since: first[0].body.At}, "51/1", "51/2", "51/3", "51/4", "51/5", "52/1", "52/2")
	for field, bad := range map[string]webhooks.Replay{
		"session_id": {Seq: 1}, "since": {Session: "51", Seq: 1, Since: time.Now()},
	} {
		var e *session.Error
		if _, err := r.Replay(t.Context(), hook.ID, bad); !errors.As(err, &e) || e.Field != field {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
