package whatsapp_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// statements records the database's statements, except prepared ones.
type statements struct {
	dbutil.DatabaseLogger
	mu   sync.Mutex
	seen []string
}

func (s *statements) QueryTiming(_ context.Context, _, query string, _ []any, _ int, _ time.Duration, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if query = strings.TrimSpace(query); query != "" && !strings.HasPrefix(query, "<") { // not begin and commit
		s.seen = append(s.seen, query)
	}
}

func (s *statements) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

func TestAMessageInAChatThatIsAliveCostsOneCommitAndNoQuery(t *testing.T) {
	h := &house{t: t, server: newServer(t, sandbox.Config{}), store: newStore(t)}
	asked := &statements{DatabaseLogger: dbutil.NoopLogger}
	h.store.DB().Log, h.store.ReadDB().Log = asked, asked
	h.dialer = h.newDialer()
	friend, own := h.phone(), h.phone()
	for _, phone := range []*sandbox.Phone{friend, own} {
		if err := phone.SetScript(phones.ScriptSilent); err != nil {
			t.Fatal(err)
		}
	}
	device := h.link("a", own)
	l := h.open("a")
	l.expect(session.SocketUp)
	const messages = 10
	send := func(n int) {
		t.Helper()
		if _, err := l.client.Send(testContext(t), text(fmt.Sprintf("3EB0%012d", n), friend.LID().String())); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 { // these fetch keys and tokens and delete old entries
		send(n)
	}
	h.drained(own, device)
	// A client that has just logged in also does other work. At least one round must be free of it.
	const rounds = 20
	for round := 1; ; round++ {
		asked.take()
		before := h.store.Commits()
		for n := range messages {
			send(messages*round + n)
		}
		works := h.store.Commits().Works - before.Works
		queries := asked.take()
		if works == messages && len(queries) == 0 {
			break
		}
		if round == rounds {
			t.Fatalf("%d messages took %d commits and %d queries: %q", messages, works, len(queries), queries)
		}
	}
	l.nothingMore()
}
