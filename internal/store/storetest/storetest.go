package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
)

// Patience bounds every wait of the suite. It is an upper bound for a slow machine, never something that is measured.
const Patience = 5 * time.Minute

// test is one test of the suite. Each file lists its own; the name begins with the subject.
type test struct {
	name string
	run  func(t *testing.T, st *store.Store)
}

// Run runs the suite. open returns a new and empty store, with KeepMedia, that is closed by the test's cleanup.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	t.Helper()
	tests := slices.Concat(
		sessionTests, unlinkTests, contactTests, settingsTests, outboxTests, revocationTests, heldTests, receiptTests, eventTests, pageTests, keptTests, webhookTests, gapTests,
		commitTests, faultTests,
	)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, want session.Code) {
	t.Helper()
	if got := session.CodeOf(err); got != want {
		t.Fatalf("code is %q (%v), want %q", got, err, want)
	}
}
