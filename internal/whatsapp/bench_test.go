package whatsapp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/store/sqlstore/upgrades"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/gctuner"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
)

// benchSessions is how many sessions the send benchmarks run at a time. benchTurns is how often the two sides
// alternate, so that other load on the machine affects both.
const (
	benchSessions = 50
	benchTurns    = 10
)

// benchHeadroom is the default of memory.headroom, which the binary applies to itself. Here it applies to both sides.
const benchHeadroom = 64 << 20

// BenchmarkSends compares wasup's sends per second with those of whatsmeow alone with its own store, on the same
// database with the same settings: SQLite with a write-ahead log and synchronous=FULL, PostgreSQL with
// synchronous_commit. Both commit the session's state before the message leaves. wasup also stores the message for
// recipients that ask for it again, which whatsmeow does not do by default. The phones are offline, so the server only
// stores the messages, and the benchmark measures the clients.
func BenchmarkSends(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { compareSends(b, newStore(b)) })
	b.Run("postgres", func(b *testing.B) {
		st, err := store.Open(testContext(b), pgtest.DSN(b), store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = st.Close() })
		compareSends(b, st)
	})
}

// sender is one client with its recipient.
type sender struct {
	send func(ctx context.Context, n int64) error
	end  func()
}

// crew is one side of the comparison.
type crew struct {
	senders   []sender
	last      int64 // number of the last message
	took, cpu time.Duration
}

func compareSends(b *testing.B, st *store.Store) {
	b.Cleanup(gctuner.Keep(benchHeadroom).Stop)
	h := &house{t: b, server: newServer(b, sandbox.Config{}), store: st}
	h.dialer = h.newDialer()
	devices, friends := make([]types.JID, 2*benchSessions), make([]types.JID, 2*benchSessions)
	for i := range devices {
		phone, friend := h.phone(), h.phone()
		devices[i], friends[i] = h.linkLight(session.ID(fmt.Sprintf("s%d", i)), phone), friend.LID()
		phone.SetOnline(false)
		friend.SetOnline(false)
	}
	ours := &crew{senders: ourSenders(b, h, friends[:benchSessions])}
	bare := &crew{senders: bareSenders(b, h, devices[benchSessions:], friends[benchSessions:])}
	for _, c := range []*crew{ours, bare} {
		c.sendAll(b, benchSessions) // the first messages fetch keys
		c.took, c.cpu = 0, 0
	}
	var commits int64
	b.ResetTimer()
	for range benchTurns {
		n := int64(max(1, b.N/benchTurns))
		bare.sendAll(b, n)
		before := st.Commits().Transactions
		ours.sendAll(b, n)
		commits += st.Commits().Transactions - before
	}
	b.StopTimer()
	sent := float64(ours.last - benchSessions)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(sent/ours.took.Seconds(), "sends/s")
	b.ReportMetric(sent/bare.took.Seconds(), "bare-sends/s")
	b.ReportMetric(bare.took.Seconds()/ours.took.Seconds(), "x-bare")
	b.ReportMetric(float64(ours.cpu.Microseconds())/sent, "cpu-µs/send")
	b.ReportMetric(float64(bare.cpu.Microseconds())/sent, "bare-cpu-µs/send")
	b.ReportMetric(sent/float64(max(1, commits)), "sends/commit")
	for _, s := range append(ours.senders, bare.senders...) {
		s.end()
	}
}

// sendAll sends n more messages. All senders work at the same time, each sends one message after the other.
func (c *crew) sendAll(b *testing.B, n int64) {
	b.Helper()
	var next atomic.Int64
	next.Store(c.last)
	c.last += n
	var all sync.WaitGroup
	began, used := time.Now(), processorTime(b)
	for _, s := range c.senders {
		all.Go(func() {
			for id := next.Add(1); id <= c.last; id = next.Add(1) {
				if err := s.send(context.Background(), id); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	c.took += time.Since(began)
	c.cpu += processorTime(b) - used
}

// linkLight links a session without the 812 prekeys of a first login, which take longer than everything else.
func (h *house) linkLight(id session.ID, phone *sandbox.Phone) types.JID {
	h.t.Helper()
	device := h.link(id, phone)
	_, err := h.store.DB().Exec(testContext(h.t), "INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded) VALUES ($1, 1, $2, true)",
		h.bound(id), make([]byte, 32))
	if err != nil {
		h.t.Fatal(err)
	}
	return device
}

// processorTime returns the CPU time of this process: that of the clients and the server.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

const benchText = "the quick brown fox jumps over the lazy dog"

func ourSenders(b *testing.B, h *house, friends []types.JID) []sender {
	b.Helper()
	senders := make([]sender, len(friends))
	for i, friend := range friends {
		l := h.open(session.ID(fmt.Sprintf("s%d", i)))
		l.expect(session.SocketUp)
		senders[i] = sender{end: l.client.Close, send: func(ctx context.Context, n int64) error {
			_, err := l.client.Send(ctx, message.Outgoing{
				ID: fmt.Sprintf("3EB0%012X", uint64(n)&0xffffffffffff), To: message.Recipient(friend.String()), Content: message.TextOf(benchText),
			})
			return err
		}}
	}
	return senders
}

func bareSenders(b *testing.B, h *house, devices, friends []types.JID) []sender {
	b.Helper()
	container := sqlstore.NewWithWrappedDB(h.store.DB().Child("whatsmeow_version", upgrades.Table, dbutil.NoopLogger), nil)
	senders := make([]sender, len(friends))
	for i, friend := range friends {
		device, err := container.GetDevice(testContext(b), devices[i])
		if err != nil || device == nil {
			b.Fatal(device, err)
		}
		client := whatsmeow.NewClient(device, nil)
		client.EnableAutoReconnect = false
		client.SetWebsocketHTTPClient(&http.Client{Transport: toSandbox{h.server.URL()}})
		if err = client.Connect(); err != nil {
			b.Fatal(err)
		}
		if !client.WaitForConnection(patience) {
			b.Fatal("a client does not log in")
		}
		senders[i] = sender{end: client.Disconnect, send: func(ctx context.Context, _ int64) error {
			_, err := client.SendMessage(ctx, friend, &waE2E.Message{Conversation: proto.String(benchText)})
			return err
		}}
	}
	return senders
}

// toSandbox sends every request to one server, because WhatsApp's address is compiled into whatsmeow.
type toSandbox struct{ url string }

func (s toSandbox) RoundTrip(request *http.Request) (*http.Response, error) {
	target, err := url.Parse(s.url)
	if err != nil {
		return nil, err
	}
	target.Scheme = "http"
	request = request.Clone(request.Context())
	request.URL = target
	return http.DefaultTransport.RoundTrip(request)
}
