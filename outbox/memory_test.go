package outbox

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"wasup/session"
)

// memory is a ledger that forgets with the test. The store's own conformance suite holds the contract it follows.
type memory struct {
	mu      sync.Mutex
	entries []Entry
	fail    error // what every method answers, if set
	pruned  []int
}

func (m *memory) at(match func(Entry) bool) int {
	for i, e := range m.entries {
		if match(e) {
			return i
		}
	}
	return -1
}

func (m *memory) Begin(ctx context.Context, e Entry) (Entry, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return Entry{}, false, m.fail
	}
	if err := ctx.Err(); err != nil {
		return Entry{}, false, &session.Error{Code: session.CodeStoreUnavailable, Err: err}
	}
	i := m.at(func(o Entry) bool {
		return o.Session == e.Session && (o.MessageID == e.MessageID || (e.Key != "" && o.Key == e.Key))
	})
	if i >= 0 {
		return m.entries[i], true, nil
	}
	e.CreatedAt, e.UpdatedAt = time.Now(), time.Now()
	m.entries = append(m.entries, e)
	return e, false, nil
}

func (m *memory) Finish(ctx context.Context, id session.ID, messageID string, outcome Outcome) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if err := ctx.Err(); err != nil {
		return &session.Error{Code: session.CodeStoreUnavailable, Err: err}
	}
	i := m.at(func(o Entry) bool { return o.Session == id && o.MessageID == messageID })
	if i < 0 {
		return &session.Error{Code: session.CodeNotFound}
	}
	if e := &m.entries[i]; !e.State.Final() {
		e.State, e.AckedAt, e.Failure, e.Text, e.UpdatedAt = outcome.State, outcome.AckedAt, outcome.Failure, "", time.Now()
	}
	return nil
}

func (m *memory) Discard(_ context.Context, id session.ID, messageID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.at(func(o Entry) bool { return o.Session == id && o.MessageID == messageID && !o.State.Final() }); i >= 0 {
		m.entries = append(m.entries[:i], m.entries[i+1:]...)
	}
	return m.fail
}

func (m *memory) Prune(_ context.Context, before time.Time, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var kept []Entry
	n := 0
	for _, e := range m.entries {
		if n < limit && e.UpdatedAt.Before(before) {
			n++
			continue
		}
		kept = append(kept, e)
	}
	m.entries = kept
	m.pruned = append(m.pruned, n)
	return n, m.fail
}

func (m *memory) breakWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *memory) all() []Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Entry(nil), m.entries...)
}

// line is a sender whose answers the test gives, one for each message that comes.
type line struct {
	sent    chan session.Outgoing
	answers chan answer
}

type answer struct {
	ack session.Ack
	err error
}

func newLine() *line {
	return &line{sent: make(chan session.Outgoing, 64), answers: make(chan answer, 64)}
}

func (l *line) Send(ctx context.Context, _ session.ID, message session.Outgoing) (session.Ack, error) {
	l.sent <- message
	select {
	case a := <-l.answers:
		if errors.Is(a.err, errCrash) {
			panic("a bug in the sender")
		}
		return a.ack, a.err
	case <-ctx.Done():
		return session.Ack{}, &session.Error{Code: session.CodeAckOverdue, Err: ctx.Err()}
	}
}

var errCrash = &session.Error{Code: session.CodeInternal, Message: "crash"}

var serverTime = time.UnixMilli(1_780_000_000_000)

func (l *line) acknowledge() { l.answers <- answer{ack: session.Ack{At: serverTime}} }

func (l *line) refuse(code session.Code) {
	l.answers <- answer{err: &session.Error{Code: code, Status: 463, Message: "the sentence of " + string(code)}}
}

// wantSent wants exactly these many messages since the last time, and returns them.
func (l *line) wantSent(t *testing.T, n int) []session.Outgoing {
	t.Helper()
	var got []session.Outgoing
	for len(l.sent) > 0 {
		got = append(got, <-l.sent)
	}
	if len(got) != n {
		t.Fatalf("sent %v, want %d messages", got, n)
	}
	return got
}

// rig is an outbox between a ledger and a sender of the test's own.
type rig struct {
	*Outbox
	ledger *memory
	line   *line
}

func newRig(t *testing.T, options Options) rig {
	t.Helper()
	r := rig{ledger: &memory{}, line: newLine()}
	r.Outbox = New(r.ledger, r.line, options)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.Close(ctx)
	})
	return r
}

func request(key string) Request {
	return Request{Session: "51", To: "5491100000001@s.whatsapp.net", Body: "hola", Key: key}
}

func wantCode(t *testing.T, err error, want session.Code) {
	t.Helper()
	if got := session.CodeOf(err); got != want {
		t.Fatalf("code is %q (%v), want %q", got, err, want)
	}
}
