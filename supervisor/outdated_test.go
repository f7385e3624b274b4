package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	sessionstore "wasup/internal/store"
	"wasup/internal/whatsapp"
	"wasup/supervisor"
)

// testAuthority is the root of trust of all tests, because whatsmeow can have only one per process.
var testAuthority = sandbox.NewAuthorityFromSeed([32]byte{5, 5, 5})

const patience = 2 * time.Minute

// estate is a supervisor with a real database and adapter, against a sandbox. Nothing is scripted.
type estate struct {
	t       testing.TB
	server  *sandbox.Server
	db      *sessionstore.Store
	dialer  *whatsapp.Dialer
	changes chan struct{} // gets a value when a session changes, unless it is full
	*supervisor.Supervisor
}

func patient(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func newEstate(t testing.TB, refresher func(*whatsapp.Dialer) supervisor.Refresher) *estate {
	t.Helper()
	e := &estate{t: t, changes: make(chan struct{}, 1)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	e.server, err = sandbox.New(sandbox.Config{Authority: testAuthority})
	must(err)
	must(e.server.Start())
	t.Cleanup(func() { _ = e.server.Close(patient(t)) })
	e.db, err = sessionstore.Open(patient(t), "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), sessionstore.Options{})
	must(err)
	t.Cleanup(func() { _ = e.db.Close() })
	e.dialer, err = whatsapp.New(whatsapp.Config{
		WebsocketURL: e.server.URL(), RootPublicKey: testAuthority.RootPublicKey(), DB: e.db.DB(), Devices: e.db.Sessions(),
	})
	must(err)
	must(e.dialer.Start(patient(t)))
	watching := &observer{failed: map[session.Code]int{}}
	watching.script(func(session.ID, session.State) {
		select {
		case e.changes <- struct{}{}:
		default:
		}
	})
	e.Supervisor = supervisor.New(supervisor.Config{
		Dialer: e.dialer, Refresher: refresher(e.dialer), Store: e.db.Sessions(), Observer: watching, Followers: []supervisor.Follower{watching},
		Policy: session.DefaultPolicy(), Log: slog.New(slog.DiscardHandler),
		Restarts: 5, Window: 5 * time.Minute, MaxWaiters: 200, MaxWaitersTotal: 1000,
		SendTimeout: 30 * time.Second, SaveTimeout: 5 * time.Second, BootRate: 100,
	})
	t.Cleanup(func() {
		if err := e.Stop(patient(t)); err != nil {
			t.Error(err)
		}
		if err := e.dialer.Stop(patient(t)); err != nil {
			t.Error(err)
		}
	})
	return e
}

// until waits until the sessions have a state and a cause.
func (e *estate) until(state session.State, cause session.Cause, ids ...session.ID) {
	e.t.Helper()
	ctx := patient(e.t)
	for _, id := range ids {
		for {
			s, _ := e.Status(id)
			if s.State == state && s.Cause == cause {
				break
			}
			select {
			case <-e.changes:
			case <-ctx.Done():
				e.t.Fatalf("session %s is %s, %s (%s); want %s, %s", id, s.State, s.Cause, s.LastError, state, cause)
			}
		}
	}
}

// link links a session with a phone of its own, waits for READY and stops the session.
func (e *estate) link(ids ...session.ID) {
	e.t.Helper()
	for _, id := range ids {
		phone, err := e.server.AddPhone(phones.Config{})
		if err != nil {
			e.t.Fatal(err)
		}
		answer := e.RequestQR(patient(e.t), id)
		wantOutcome(e.t, answer, session.OutcomeQR)
		if _, err := phone.Scan(patient(e.t), answer.QR.Code); err != nil {
			e.t.Fatal(err)
		}
		e.until(session.Ready, session.CauseConnected, id)
		if _, err := e.StopSession(patient(e.t), id); err != nil {
			e.t.Fatal(err)
		}
	}
}

func (e *estate) start(ids ...session.ID) {
	e.t.Helper()
	for _, id := range ids {
		if _, _, err := e.Start(patient(e.t), id); err != nil {
			e.t.Fatal(err)
		}
	}
}

// version is the adapter's version plus a number of revisions.
func (e *estate) version(later uint32) sandbox.Version {
	e.t.Helper()
	var v sandbox.Version
	for i, part := range strings.Split(e.dialer.Version(), ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			e.t.Fatal(err)
		}
		v[i] = uint32(n)
	}
	v[2] += later
	return v
}

// heldRefresher is the adapter's refresher, which waits until the test releases it.
type heldRefresher struct {
	supervisor.Refresher
	asked, let chan struct{}
}

func (h heldRefresher) RefreshVersion(ctx context.Context, id session.ID) (string, bool, error) {
	h.asked <- struct{}{}
	select {
	case <-h.let:
	case <-ctx.Done():
	}
	return h.Refresher.RefreshVersion(ctx, id)
}

// newHeldEstate makes an estate with one READY session and several linked sessions that are held back: one because the
// server refused it, the others by the breaker.
func newHeldEstate(t *testing.T, sessions int) (e *estate, ids []session.ID, let chan struct{}) {
	t.Helper()
	asked, let := make(chan struct{}, 1), make(chan struct{})
	e = newEstate(t, func(d *whatsapp.Dialer) supervisor.Refresher { return heldRefresher{d, asked, let} })
	ids = names(sessions)
	e.link(append(ids, "up")...)
	e.start("up")
	e.until(session.Ready, session.CauseConnected, "up")
	e.server.Versions().SetLeast(e.version(10))
	e.start(ids[0])
	select {
	case <-asked:
	case <-patient(t).Done():
		t.Fatal("the refused version was not looked up")
	}
	before := e.server.Counters().ConnectionsTotal
	e.start(ids[1:]...)
	e.until(session.Errored, session.CauseClientOutdated, ids...)
	if n := e.server.Counters(); n.LoginsRefused != 1 || n.ConnectionsTotal != before {
		t.Fatalf("%d refused logins, %d connections while the breaker was open", n.LoginsRefused, n.ConnectionsTotal-before)
	}
	return e, ids, let
}

func TestAProcessWhoseVersionIsRefusedFindsTheNewOneAndComesBack(t *testing.T) {
	e, ids, let := newHeldEstate(t, 20)
	before, _ := e.Status("up")
	close(let)
	e.until(session.Ready, session.CauseConnected, ids...)
	n := e.server.Counters()
	if n.LoginsRefused != 1 || n.WebPages != 1 {
		t.Errorf("%d refused logins, %d looks at the version; want one of each", n.LoginsRefused, n.WebPages)
	}
	if e.Outdated() {
		t.Error("still said to be outdated")
	}
	if after, _ := e.Status("up"); after.Incarnation != before.Incarnation || after.State != session.Ready {
		t.Errorf("the session that was READY is %s, incarnation %d, was %d", after.State, after.Incarnation, before.Incarnation)
	}
}

func TestANewVersionThatIsRefusedTooCostsOneLoginMore(t *testing.T) {
	e, ids, let := newHeldEstate(t, 3)
	e.server.Versions().SetWeb(e.version(5)) // newer than ours, but still refused
	feed, stop := e.server.Subscribe()
	defer stop()
	close(let)
	for refused := false; !refused; {
		select {
		case event := <-feed:
			refused = event.Kind == observe.EventLoginRefused
		case <-patient(t).Done():
			t.Fatal("nobody tried the new version")
		}
	}
	e.until(session.Errored, session.CauseClientOutdated, ids...)
	if n := e.server.Counters(); n.LoginsRefused != 2 || n.WebPages != 1 || !e.Outdated() {
		t.Errorf("%d refused logins, %d looks at the version, outdated %t", n.LoginsRefused, n.WebPages, e.Outdated())
	}
}

func TestARefusedVersionIsNoSessionsAlone(t *testing.T) {
	e := newEstate(t, func(d *whatsapp.Dialer) supervisor.Refresher { return d })
	e.server.Versions().SetLeast(e.version(1))
	for i := range 3 { // unlinked sessions: the server refuses their registration as it refuses a login
		id := session.ID(fmt.Sprintf("new%d", i))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		answer := e.RequestQR(ctx, id)
		cancel()
		if i > 0 {
			wantOutcome(t, answer, session.OutcomeQR)
		} else {
			wantOutcome(t, answer, session.OutcomeFailed)
			e.until(session.QRRequired, session.CausePairing, id)
		}
	}
	if n := e.server.Counters(); n.LoginsRefused != 1 || n.WebPages != 1 {
		t.Errorf("%d refused, %d looks at the version", n.LoginsRefused, n.WebPages)
	}
}
