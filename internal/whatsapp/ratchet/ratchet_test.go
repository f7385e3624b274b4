package ratchet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/store/sqlstore/upgrades"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/store"
)

func TestTheCacheKeepsWhatWasUsedLast(t *testing.T) {
	c := newCache(10*(entryCost+13), nil)
	run, other := &Ratchet{}, &Ratchet{}
	c.addRun(run)
	for n := range 10 {
		c.put(run, cachedIdentity, fmt.Sprintf("id%d", n), make([]byte, 10))
	}
	c.get(run, cachedIdentity, "id0")
	c.put(run, cachedIdentity, "new", make([]byte, 10))
	if _, known := c.get(run, cachedIdentity, "id0"); !known {
		t.Error("what was used last is gone")
	}
	if _, known := c.get(run, cachedIdentity, "id1"); known {
		t.Error("what was used first is there, beyond the budget")
	}
	c.put(run, cachedSession, "new", nil)
	if value, known := c.get(run, cachedSession, "new"); !known || value != nil {
		t.Error("it does not remember that there is none")
	}
	c.put(other, cachedIdentity, "id", make([]byte, 10))
	if _, known := c.get(other, cachedIdentity, "id"); known {
		t.Error("it keeps something for a run that is closed")
	}
	c.removeRun(run)
	if c.size != 0 || c.recent.Len() != 0 || len(c.runs) != 0 {
		t.Errorf("a closed run leaves %d bytes, %d entries", c.size, c.recent.Len())
	}
}

func TestALockIsWaitedForWithAContext(t *testing.T) {
	var l locks
	if err := l.acquire(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.acquire(ctx, "x") }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v for a lock that is held", err)
	}
	go func() { ended <- l.acquire(t.Context(), "x") }()
	l.unlock("x")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if l.try("x") {
		t.Error("a lock that is held was given to another")
	}
	l.unlock("x")
	if !l.try("x") {
		t.Fatal("a lock that nobody holds was refused")
	}
	go func() { ended <- l.acquire(t.Context(), "x") }()
	l.unlock("x")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	l.unlock("x")
	if len(l.held) != 0 {
		t.Errorf("%d locks are remembered that nobody holds", len(l.held))
	}
}

// format is the serializer of the process.
var format = sync.OnceValue(InstallFormat)

// newRatchet returns a ratchet of a device in a new database.
func newRatchet(t *testing.T) *Ratchet {
	t.Helper()
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := st.DB().Child("whatsmeow_version", upgrades.Table, nil)
	tables := sqlstore.NewWithWrappedDB(db, nil)
	if err = tables.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	shared := New(t.Context(), Config{
		DB: st.DB(), Read: st.ReadDB(), Commit: st.Commit, Writing: tables, Format: format(), Log: slog.New(slog.DiscardHandler),
		Reading: sqlstore.NewWithWrappedDB(st.ReadDB().Child("whatsmeow_version", upgrades.Table, nil), nil),
	})
	t.Cleanup(func() {
		shared.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	device := tables.NewDevice()
	jid := types.NewADJID("5491100000001", 0, 3)
	device.ID, device.Account = &jid, &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{1}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
	}
	if err := tables.PutDevice(t.Context(), device); err != nil {
		t.Fatal(err)
	}
	r := shared.Wrap(device, func(error) bool { return false }, func(err error) { t.Error(err) })
	t.Cleanup(r.Close)
	return r
}

func TestASessionIsLentToOneAtATime(t *testing.T) {
	r := newRatchet(t)
	const address = "123_1:4"
	s, ctx := sessions{r}, t.Context()
	if err := s.PutSession(ctx, address, []byte("nobody loaded it")); !errors.Is(err, errStale) {
		t.Errorf("got %v for a session that nobody has loaded", err)
	}
	if _, err := s.GetSession(ctx, address); err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := s.GetSession(impatient, "123_1:5"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v for another device of a correspondent whose session is lent", err)
	}
	if err := s.PutSession(ctx, address, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if value, err := s.GetSession(ctx, address); err != nil || string(value) != "one" {
		t.Fatalf("%q, %v", value, err)
	}
	// The one who has loaded it now does not store it in time, and another caller loads it.
	r.mu.Lock()
	late := r.leases[address]
	r.mu.Unlock()
	r.expire(address, late)
	if _, err := s.GetSession(ctx, address); err != nil {
		t.Fatal(err)
	}
	// Nobody can tell which of the two borrowers stores here, so both are refused.
	for range 2 {
		if err := s.PutSession(ctx, address, []byte("two")); !errors.Is(err, errStale) {
			t.Errorf("got %v where two have loaded the session", err)
		}
	}
	within, o := r.begin(ctx, false)
	defer o.end()
	found, err := s.GetManySessions(within, []string{address})
	if err != nil || string(found[address]) != "one" {
		t.Errorf("%q, %v", found[address], err)
	}
	if stored, err := r.read.GetSession(ctx, address); err != nil || string(stored) != "one" {
		t.Errorf("the database has %q, %v", stored, err)
	}
}

func TestWhatAnOperationCollectsIsSeenByItAndByNobodyElse(t *testing.T) {
	r := newRatchet(t)
	const address = "123_1:4"
	s, ids := sessions{r}, identities{r}
	key := [32]byte{1}
	within, o := r.begin(t.Context(), true)
	if err := errors.Join(s.PutSession(within, address, []byte("new")), ids.PutIdentity(within, address, key)); err != nil {
		t.Fatal(err)
	}
	if value, err := s.GetSession(within, address); err != nil || string(value) != "new" {
		t.Errorf("it sees %q, %v itself", value, err)
	}
	if trusted, err := ids.IsTrustedIdentity(within, address, [32]byte{2}); err != nil || trusted {
		t.Errorf("it trusts another key than the one it has met: %v, %v", trusted, err)
	}
	if stored, err := r.read.GetSession(t.Context(), address); err != nil || stored != nil {
		t.Errorf("the database has %q, %v", stored, err)
	}
	o.end()
	again, next := r.begin(t.Context(), true)
	defer next.end()
	if value, err := s.GetSession(again, address); err != nil || value != nil {
		t.Errorf("what was dropped is seen: %q, %v", value, err)
	}
}

func TestOneBadWriteDoesNotSpoilTheOthers(t *testing.T) {
	r := newRatchet(t)
	stranger := &Ratchet{Shared: r.Shared, write: r.write, jid: "nobody@s.whatsapp.net"}
	ctx, all := t.Context(), make(chan struct{})
	var failed, commits int
	w := newWriter(func(ctx context.Context, work func(ctx context.Context) error) error {
		<-all // all writes wait until the channel is closed
		err := r.commit(ctx, work)
		if commits++; err != nil {
			failed++
		}
		return err
	}, r.writer.rows)
	for i, run := range []*Ratchet{r, stranger, r} {
		c := &changes{}
		c.setSession(fmt.Sprintf("123_1:%d", i), []byte("value"))
		if !w.queue.Leave(written{run, c}, 3) {
			t.Fatalf("write %d was refused", i)
		}
	}
	close(all)
	w.close()
	if commits != 4 || failed != 2 {
		t.Errorf("%d of %d commits failed, want that of all and the one of a device that does not exist, of 4", failed, commits)
	}
	for _, address := range []string{"123_1:0", "123_1:2"} {
		if value, err := r.read.GetSession(ctx, address); err != nil || string(value) != "value" {
			t.Errorf("%s is %q, %v", address, value, err)
		}
	}
}
