package outbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// memory is a ledger in memory. The conformance suite of the store (storetest) defines the contract that it follows.
type memory struct {
	mu      sync.Mutex
	entries []Entry // in the order of acceptance
	fail    error   // if set, every method returns it
	unsure  bool    // the methods do their work all the same; Enqueue then returns fail
	pruned  []Retention
	owners  map[session.ID]session.Account
	since   map[session.ID]time.Time // when another account was linked
	reads   int                      // calls of Next

	failAdvance error  // if set, Advance returns it
	onEnqueue   func() // called at the end of each Enqueue
	// afterMessage is called at the end of each Message, if it is set.
	afterMessage func()
}

func (m *memory) locked(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil && !m.unsure {
		return m.fail
	}
	return do()
}

func (m *memory) find(match func(*Entry) bool) *Entry {
	for i := range m.entries {
		if match(&m.entries[i]) {
			return &m.entries[i]
		}
	}
	return nil
}

func (m *memory) byID(id session.ID, messageID string) *Entry {
	return m.find(func(e *Entry) bool { return e.Session == id && e.ID == messageID })
}

func (m *memory) byKey(id session.ID, key string) *Entry {
	return m.find(func(e *Entry) bool { return e.Session == id && e.Key == key && key != "" })
}

func (m *memory) Enqueue(ctx context.Context, e Entry, keysFrom time.Time) (stored Entry, existed bool, err error) {
	err = m.locked(func() error {
		if ctx.Err() != nil {
			return &session.Error{Code: session.CodeStoreUnavailable, Err: ctx.Err()}
		}
		if known := m.byKey(e.Session, e.Key); known != nil {
			if !known.State.Settled() || !known.CreatedAt.Before(keysFrom) {
				stored, existed = *known, true
				return nil
			}
			known.Key = ""
		}
		if m.byID(e.Session, e.ID) != nil {
			e.ID = NewMessageID(e.Session, "", "")
		}
		e.CreatedAt, e.UpdatedAt = time.Now(), time.Now()
		m.entries = append(m.entries, e)
		stored = e
		failed := m.fail
		if m.onEnqueue != nil {
			m.onEnqueue()
		}
		return failed
	})
	return stored, existed, err
}

func (m *memory) Find(_ context.Context, id session.ID, key string) (e Entry, found bool, err error) {
	err = m.locked(func() error {
		if known := m.byKey(id, key); known != nil {
			e, found = *known, true
		}
		return nil
	})
	return e, found, err
}

func (m *memory) Next(_ context.Context, id session.ID, now time.Time, limit int) (page []Entry, due time.Time, err error) {
	err = m.locked(func() error {
		m.reads++
		for _, e := range m.entries {
			switch {
			case e.Session != id || !e.Open():
			case e.SendAt.After(now):
				if due.IsZero() || e.SendAt.Before(due) {
					due = e.SendAt
				}
			case len(page) < limit:
				page = append(page, e)
			}
		}
		return nil
	})
	return page, due, err
}

func (m *memory) Advance(_ context.Context, changes ...Change) (carried []bool, err error) {
	err = m.locked(func() error {
		if m.failAdvance != nil {
			return m.failAdvance
		}
		for i := range changes {
			carried = append(carried, m.change(&changes[i]))
		}
		return nil
	})
	return carried, err
}

func (m *memory) change(c *Change) bool {
	e := m.byID(c.Session, c.ID)
	switch {
	case e == nil, !slices.Contains(c.From, e.State), c.Attempts != 0 && c.Attempts != e.Attempts,
		c.Anew && (e.Content.Text == "" || !e.AckedAt.IsZero()):
		return false
	}
	e.State, e.AckedAt, e.Failure, e.UpdatedAt = c.To, c.AckedAt, c.Failure, time.Now()
	e.CanRequeue = c.To == message.Failed && e.AckedAt.IsZero()
	e.Attempts += c.Begun
	if c.Anew {
		e.Attempts, e.ExpiresAt = c.Begun, c.ExpiresAt
	}
	if c.To.Settled() && c.To != message.Failed {
		e.Content = message.Content{Kind: e.Content.Kind}
	}
	return true
}

func (m *memory) Receipt(_ context.Context, id session.ID, data events.ReceiptData, _ ...events.Event) (steps []Step, err error) {
	to := message.State(data.Status)
	err = m.locked(func() error {
		for _, messageID := range data.IDs {
			e := m.byID(id, messageID)
			if e == nil || (e.State != message.Failed && e.State.Reached(to)) {
				continue
			}
			steps = append(steps, Step{ID: e.ID, From: e.State, To: to, Acked: data.At, Since: e.CreatedAt})
			e.State, e.AckedAt, e.UpdatedAt = to, data.At, time.Now()
		}
		return nil
	})
	return steps, err
}

func (m *memory) Claim(_ context.Context, id session.ID, account session.Account) (done Handover, err error) {
	err = m.locked(func() error {
		owner := m.owners[id]
		if owner != (session.Account{}) && !owner.Same(account) {
			done = Handover{Changed: true, Previous: owner}
			if m.since == nil {
				m.since = map[session.ID]time.Time{}
			}
			m.since[id] = time.Now()
			for i := range m.entries {
				if e := &m.entries[i]; e.Session == id && e.Open() {
					e.State, e.CanRequeue = message.Held, true
					done.Held++
				}
			}
		}
		if m.owners == nil {
			m.owners = map[session.ID]session.Account{}
		}
		m.owners[id] = account
		return nil
	})
	return done, err
}

func (m *memory) OwnedSince(_ context.Context, id session.ID) (since time.Time, err error) {
	err = m.locked(func() error {
		since = m.since[id]
		return nil
	})
	return since, err
}

func (m *memory) Held(_ context.Context, id session.ID, limit int) (page []Entry, err error) {
	err = m.locked(func() error {
		for _, e := range m.entries {
			if e.Session == id && e.State == message.Held && len(page) < limit {
				page = append(page, e)
			}
		}
		return nil
	})
	return page, err
}

func (m *memory) HeldCounts(context.Context) (counts map[session.ID]int, err error) {
	err = m.locked(func() error {
		counts = map[session.ID]int{}
		for _, e := range m.entries {
			if e.State == message.Held {
				counts[e.Session]++
			}
		}
		return nil
	})
	return counts, err
}

func (m *memory) Discard(_ context.Context, id session.ID, messageID string) (gone bool, err error) {
	err = m.locked(func() error {
		before := len(m.entries)
		m.entries = slices.DeleteFunc(m.entries, func(e Entry) bool {
			return e.Session == id && e.ID == messageID && (e.State == message.Queued || e.State == message.Held) && e.Attempts == 0
		})
		gone = len(m.entries) < before
		return nil
	})
	return gone, err
}

func (m *memory) Backlog(context.Context) (list []Backlog, err error) {
	err = m.locked(func() error {
		for _, e := range m.entries {
			if !e.Open() {
				continue
			}
			i := slices.IndexFunc(list, func(b Backlog) bool { return b.Session == e.Session })
			if i < 0 {
				i = len(list)
				list = append(list, Backlog{Session: e.Session, Oldest: e.CreatedAt})
			}
			list[i].Open++
		}
		return nil
	})
	return list, err
}

func (m *memory) Expired(_ context.Context, now time.Time, limit int) (page []Entry, next time.Time, err error) {
	err = m.locked(func() error {
		for _, e := range m.entries {
			switch {
			case e.State.Settled() || e.ExpiresAt.IsZero():
			case e.ExpiresAt.After(now):
				if next.IsZero() || e.ExpiresAt.Before(next) {
					next = e.ExpiresAt
				}
			case len(page) < limit:
				page = append(page, e)
			}
		}
		return nil
	})
	return page, next, err
}

func (m *memory) Sent(_ context.Context, id session.ID, since time.Time) (n int, err error) {
	err = m.locked(func() error {
		for _, e := range m.entries {
			if e.Session == id && !e.AckedAt.Before(since) {
				n++
			}
		}
		return nil
	})
	return n, err
}

func (m *memory) Message(_ context.Context, id session.ID, messageID string) (msg message.Message, err error) {
	err = m.locked(func() error {
		e := m.byID(id, messageID)
		if e == nil {
			return &session.Error{Code: session.CodeUnknownMessage}
		}
		msg = e.Message
		return nil
	})
	if do := m.afterMessage; do != nil {
		do()
	}
	return msg, err
}

func (m *memory) List(context.Context, session.ID, message.Filter) ([]message.Message, string, error) {
	return nil, "", errors.New("not asked by these tests")
}

func (m *memory) Prune(_ context.Context, what Retention) (n int, err error) {
	err = m.locked(func() error {
		m.entries = slices.DeleteFunc(m.entries, func(e Entry) bool {
			old := e.State.Settled() && e.UpdatedAt.Before(what.Before) && n < what.Limit
			if old {
				n++
			}
			return old
		})
		m.pruned = append(m.pruned, what)
		return nil
	})
	return n, err
}

func (m *memory) breakWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *memory) breakAdvance(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failAdvance = err
}

// loseAnswers makes every Enqueue return err although it stores the message.
func (m *memory) loseAnswers(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.unsure = err, true
}

func (m *memory) all() []Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.entries)
}

// line is a Sender. Its sessions are READY until the test says otherwise. The test gives one answer of WhatsApp for
// each message.
type line struct {
	mu      sync.Mutex
	down    map[session.ID]bool
	coming  map[session.ID]bool // down, and connects again by itself
	sent    []message.Outgoing
	answers chan answer
	auto    bool // acknowledge every message at once
}

type answer struct {
	ack message.Ack
	err error
}

func newLine() *line {
	return &line{down: map[session.ID]bool{}, coming: map[session.ID]bool{}, answers: make(chan answer, 1000)}
}

func (l *line) Ready(id session.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.down[id]
}

func (l *line) Returns(id session.ID, _ time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.down[id] || l.coming[id]
}

// AwaitReady waits for three seconds of the bubble's time.
func (l *line) AwaitReady(ctx context.Context, id session.ID) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !l.Ready(id) && l.Returns(id, time.Time{}) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return false
		}
	}
	return l.Ready(id)
}

func (l *line) Send(ctx context.Context, _ session.ID, msg message.Outgoing) (message.Ack, error) {
	l.mu.Lock()
	l.sent = append(l.sent, msg)
	auto := l.auto
	l.mu.Unlock()
	if auto {
		return message.Ack{MessageID: msg.ID, At: serverTime}, nil
	}
	select {
	case a := <-l.answers:
		if errors.Is(a.err, errCrash) {
			panic("a bug in the sender")
		}
		return a.ack, a.err
	case <-ctx.Done():
		return message.Ack{}, &session.Error{Code: session.CodeAckOverdue, Err: ctx.Err()}
	}
}

var errCrash = &session.Error{Code: session.CodeInternal, Message: "crash"}

var serverTime = time.UnixMilli(1_780_000_000_000)

func (l *line) acknowledge() { l.answers <- answer{ack: message.Ack{At: serverTime}} }

func (l *line) refuse(code session.Code) {
	l.answers <- answer{err: &session.Error{Code: code, Status: 463, Message: "the sentence of " + string(code)}}
}

// wantSent returns the messages sent since its last call. The test fails unless there are exactly n.
func (l *line) wantSent(t *testing.T, n int) []message.Outgoing {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.sent
	l.sent = nil
	if len(got) != n {
		t.Fatalf("sent %v, want %d messages", got, n)
	}
	return got
}

// rig is an outbox with a ledger and a sender that the test controls.
type rig struct {
	*Outbox
	ledger *memory
	line   *line
}

func newRig(t *testing.T, options Options) *rig {
	t.Helper()
	r := &rig{ledger: &memory{}, line: newLine()}
	r.open(t, options)
	return r
}

// open starts a new outbox on the same ledger, as a new process does.
func (r *rig) open(t *testing.T, options Options) {
	t.Helper()
	box := New(r.ledger, options)
	if err := box.Start(t.Context(), r.line); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = box.Stop(ctx)
	})
	r.Outbox = box
}

// becomes changes the state of a session and tells the outbox.
func (r *rig) becomes(id session.ID, state session.State) {
	r.line.mu.Lock()
	r.line.down[id] = state != session.Ready
	r.line.coming[id] = state == session.Reconnecting || state == session.DisconnectedRecoverable
	r.line.mu.Unlock()
	r.SessionChanged(id, state, session.CauseNone)
}

func request(key string) message.Request {
	return message.Request{Session: "51", To: "5491100000001@s.whatsapp.net", Content: message.TextOf("hola"), Key: key}
}

func idOf(r message.Request) string {
	return NewMessageID(r.Session, r.Key, bodyHash(r.To, r.Content))
}

func wantCode(t *testing.T, err error, want session.Code) {
	t.Helper()
	if got := session.CodeOf(err); got != want {
		t.Fatalf("code is %q (%v), want %q", got, err, want)
	}
}

// setDown takes a session's connection away before anybody is told.
func (l *line) setDown(id session.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down[id], l.coming[id] = true, true
}
