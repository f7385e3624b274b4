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

	"wasup/sandbox"
	"wasup/session"
	"wasup/store"
	"wasup/store/pgtest"
)

// benchSessions is how many sessions the benchmarks of sending run at a time.
const benchSessions = 50

// BenchmarkSends compares what wasup sends in a second with what whatsmeow does alone, with its own store, on the same
// database with the same settings: SQLite with a write-ahead log and synchronous=FULL, PostgreSQL with synchronous_commit.
// Both commit the state of a session before the message leaves. The phones are away, so that the server only keeps the
// messages and the clients are what is measured.
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

// sender is one client and the one it writes to.
type sender struct {
	send func(ctx context.Context, n int64) error
	end  func()
}

func compareSends(b *testing.B, st *store.Store) {
	h := &house{t: b, server: newServer(b, sandbox.Config{}), store: st}
	h.dialer = h.newDialer()
	devices, friends := make([]types.JID, benchSessions), make([]types.JID, benchSessions)
	for i := range benchSessions {
		phone, friend := h.phone(), h.phone()
		devices[i], friends[i] = h.linkLight(session.ID(fmt.Sprintf("s%d", i)), phone), friend.LID()
		phone.SetOnline(false)
		friend.SetOnline(false)
	}
	var bare float64
	b.Run("bare", func(b *testing.B) {
		bare = measureSends(b, bareSenders(b, h, devices, friends))
	})
	b.Run("wasup", func(b *testing.B) {
		before := st.Commits()
		ours := measureSends(b, ourSenders(b, h, friends))
		after := st.Commits()
		b.ReportMetric(float64(b.N)/float64(max(1, after.Transactions-before.Transactions)), "sends/txn")
		if bare > 0 {
			b.ReportMetric(ours/bare, "x-bare")
		}
	})
}

// linkLight links a session without the 812 prekeys of a first login, which take longer than all the rest.
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

func measureSends(b *testing.B, senders []sender) float64 {
	b.Helper()
	ctx := context.Background()
	for n, s := range senders { // the first message fetches keys
		if err := s.send(ctx, int64(-1-n)); err != nil {
			b.Fatal(err)
		}
	}
	var sent atomic.Int64
	var all sync.WaitGroup
	before := processorTime(b)
	b.ResetTimer()
	for _, s := range senders {
		all.Go(func() {
			for n := sent.Add(1); n <= int64(b.N); n = sent.Add(1) {
				if err := s.send(ctx, n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	rate := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "sends/s")
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/send")
	for _, s := range senders {
		s.end()
	}
	return rate
}

// processorTime is what this process has used: the clients and the server.
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
			_, err := l.client.Send(ctx, session.Outgoing{
				ID: fmt.Sprintf("3EB0%012X", uint64(n)&0xffffffffffff), To: session.Recipient(friend.String()), Content: session.TextOf(benchText),
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

// toSandbox sends every request to one server: whatsmeow has WhatsApp's address compiled in.
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
