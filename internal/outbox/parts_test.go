package outbox

import (
	"context"
	"testing"

	"wasup/internal/testtools/parttest"
)

func TestTheOutboxStartsAndStopsInAnyOrder(t *testing.T) {
	parttest.Stress(t, func(*testing.T) parttest.Part {
		box := New(&memory{}, Options{})
		return parttest.Part{Start: func(ctx context.Context) error { return box.Start(ctx, newLine()) }, Stop: box.Stop}
	})
}
