package webhooks_test

import (
	"testing"

	"wasup/internal/session"
	"wasup/internal/testtools/parttest"
	"wasup/internal/webhooks"
)

func TestWebhooksStartAndStopInAnyOrder(t *testing.T) {
	r := newRig(t, quick())
	parttest.Stress(t, func(*testing.T) parttest.Part {
		w := webhooks.New(r.store, r.growth, r.opts)
		return parttest.Part{Start: w.Start, Stop: w.Stop}
	})
}

// A call to webhooks that were stopped before they started must not wait for a loop that never runs.
func TestWebhooksThatNeverRanWaitForNothing(t *testing.T) {
	r := newRig(t, quick())
	w := webhooks.New(r.store, r.growth, r.opts)
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = w.Start(t.Context())
	w.SessionRemoved(session.ID("51"))
}
