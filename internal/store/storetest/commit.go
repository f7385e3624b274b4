package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"wasup/internal/session"
	"wasup/internal/store"
)

var commitTests = []test{
	{"commit/works that wait together share a transaction", commitsShareATransaction},
	{"commit/a work that fails fails alone", oneFailingCommitFailsAlone},
	{"commit/a work that has not begun is withdrawn with its context", commitIsWithdrawn},
	{"commit/a work that has begun is finished", commitIsFinishedOnceBegun},
	{"commit/within a transaction it is part of it", commitWithinATransactionJoinsIt},
	{"commit/a full database refuses works and recovers", commitsOfAFullDatabaseRecover},
	{"commit/closing answers every work", closeAnswersEveryCommit},
}

// storeSession returns the work of these tests, which stores one session.
func storeSession(st *store.Store, id string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		_, err := st.Sessions().SetDesired(ctx, session.ID(id), session.DesiredRun)
		return err
	}
}

func stored(t *testing.T, st *store.Store) map[session.ID]bool {
	t.Helper()
	records, err := st.Sessions().List(bounded(t))
	must(t, err)
	found := make(map[session.ID]bool, len(records))
	for _, r := range records {
		found[r.ID] = true
	}
	return found
}

// blockWriter keeps the writer busy with a work until release is called, so that other works have to wait together.
func blockWriter(t *testing.T, st *store.Store) (release func()) {
	t.Helper()
	ctx := bounded(t)
	begun, free, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	begin := sync.OnceFunc(func() { close(begun) })
	go func() {
		ended <- st.Commit(ctx, func(context.Context) error {
			begin()
			select {
			case <-free:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	<-begun
	return sync.OnceFunc(func() {
		close(free)
		must(t, <-ended)
	})
}

// watchedContext is a context that calls told when a goroutine waits for its end. A caller of Commit does so once its
// work is in the queue.
type watchedContext struct {
	context.Context
	told func()
}

// Done implements context.Context.
func (w *watchedContext) Done() <-chan struct{} {
	w.told()
	return w.Context.Done()
}

func commitsShareATransaction(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	const callers = 40
	before := st.Commits()
	release := blockWriter(t, st)
	var waiting sync.WaitGroup
	var all atomic.Int64
	errs := make(chan error, callers)
	for n := range callers {
		waiting.Add(1)
		go func() {
			errs <- st.Commit(&watchedContext{Context: ctx, told: sync.OnceFunc(waiting.Done)}, func(ctx context.Context) error {
				all.Add(1)
				return storeSession(st, fmt.Sprintf("s%d", n))(ctx)
			})
		}()
	}
	waiting.Wait()
	release()
	for range callers {
		must(t, <-errs)
	}
	if n := len(stored(t, st)); n != callers || all.Load() != callers {
		t.Fatalf("%d rows of %d runs, want %d of each", n, all.Load(), callers)
	}
	after := st.Commits()
	works, transactions := after.Works-before.Works, after.Transactions-before.Transactions
	if works != callers+1 || transactions >= works/2 {
		t.Fatalf("%d works took %d transactions, want them to be grouped", works, transactions)
	}
}

var errRefused = errors.New("refused by the work itself")

func oneFailingCommitFailsAlone(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	const callers = 30
	bad := map[int]string{3: "error", 4: "panic", 11: "statement", 12: "error", 13: "error", 14: "error", 15: "error", 29: "statement"}
	release := blockWriter(t, st)
	var waiting sync.WaitGroup
	errs := make([]error, callers)
	for n := range callers {
		waiting.Go(func() {
			errs[n] = st.Commit(ctx, func(ctx context.Context) error {
				if err := storeSession(st, fmt.Sprintf("s%d", n))(ctx); err != nil {
					return err
				}
				switch bad[n] {
				case "error":
					return errRefused
				case "panic":
					var none []error
					return none[n]
				case "statement":
					_, err := st.DB().Exec(ctx, "INSERT INTO no_such_table VALUES (1)")
					return err
				}
				return nil
			})
		})
	}
	release()
	waiting.Wait()
	rows := stored(t, st)
	for n, err := range errs {
		if (bad[n] != "") == rows[session.ID(fmt.Sprintf("s%d", n))] {
			t.Errorf("row of work %d (%q) is there: %v", n, bad[n], bad[n] != "")
		}
		switch bad[n] {
		case "":
			must(t, err)
		case "error":
			if !errors.Is(err, errRefused) {
				t.Errorf("work %d: %v, want its own error", n, err)
			}
		case "panic":
			wantCode(t, err, session.CodeInternal)
		case "statement":
			wantCode(t, err, session.CodeStoreUnavailable)
			wantDiscreet(t, err)
		}
	}
}

func commitIsWithdrawn(t *testing.T, st *store.Store) {
	release := blockWriter(t, st)
	ctx, cancel := context.WithCancel(bounded(t))
	var ran atomic.Bool
	ended := make(chan error, 1)
	go func() {
		ended <- st.Commit(ctx, func(ctx context.Context) error {
			ran.Store(true)
			return storeSession(st, "51")(ctx)
		})
	}()
	cancel()
	err := <-ended // the writer is still busy: a withdrawn call must not wait for it
	wantUnanswered(t, "Commit", err)
	release()
	must(t, st.Commit(bounded(t), storeSession(st, "52")))
	if ran.Load() || stored(t, st)["51"] {
		t.Error("a work that was withdrawn has run")
	}
}

func commitIsFinishedOnceBegun(t *testing.T, st *store.Store) {
	ctx, cancel := context.WithCancel(bounded(t))
	must(t, st.Commit(ctx, func(ctx context.Context) error {
		cancel()
		return storeSession(st, "51")(ctx)
	}))
	if !stored(t, st)["51"] {
		t.Error("a work whose caller gave up was answered and is not there")
	}
}

func commitWithinATransactionJoinsIt(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	err := st.Commit(ctx, func(ctx context.Context) error {
		if err := st.Commit(ctx, storeSession(st, "51")); err != nil {
			return err
		}
		return errRefused
	})
	if !errors.Is(err, errRefused) || stored(t, st)["51"] {
		t.Errorf("%v; the inner work must go with the outer one", err)
	}
	type key struct{}
	must(t, st.DB().DoTxn(context.WithValue(ctx, key{}, "kept"), nil, func(ctx context.Context) error {
		return st.Commit(ctx, func(ctx context.Context) error {
			if ctx.Value(key{}) != "kept" {
				t.Error("the caller's values do not reach the work")
			}
			return storeSession(st, "52")(ctx)
		})
	}))
	must(t, st.Commit(context.WithValue(ctx, key{}, "kept"), func(ctx context.Context) error {
		if ctx.Value(key{}) != "kept" {
			t.Error("the caller's values do not reach the work of a batch")
		}
		return nil
	}))
	if !stored(t, st)["52"] {
		t.Error("the work of a transaction that was committed is not there")
	}
}

func commitsOfAFullDatabaseRecover(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	makeRoom := takeRoom(t, st)
	release := blockWriter(t, st)
	const callers = 8
	errs := make(chan error, callers)
	for n := range callers {
		go func() {
			errs <- st.Commit(ctx, func(ctx context.Context) error {
				big := entry("51", fmt.Sprintf("k%d", n))
				big.Content.Text = strings.Repeat("x", 1<<20)
				_, _, err := st.Outbox().Enqueue(ctx, big, keysFrom)
				return err
			})
		}()
	}
	release()
	for range callers {
		err := <-errs
		wantCode(t, err, session.CodeStoreFull)
		wantDiscreet(t, err)
	}
	makeRoom()
	must(t, st.Commit(ctx, storeSession(st, "51")))
}

func closeAnswersEveryCommit(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	release := blockWriter(t, st)
	const callers = 10
	errs := make([]error, callers)
	var waiting sync.WaitGroup
	for n := range callers {
		waiting.Go(func() { errs[n] = st.Commit(ctx, storeSession(st, fmt.Sprintf("s%d", n))) })
	}
	closed := make(chan error, 1)
	go func() { closed <- st.Close() }()
	release()
	must(t, <-closed)
	waiting.Wait()
	for _, err := range errs { // each work was either committed or refused
		if err != nil {
			wantCode(t, err, session.CodeStoreUnavailable)
		}
	}
	wantCode(t, st.Commit(ctx, storeSession(st, "51")), session.CodeStoreUnavailable)
}
