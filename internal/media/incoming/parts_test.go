package incoming_test

import (
	"context"
	"testing"

	"wasup/internal/media/incoming"
	"wasup/internal/testtools/parttest"
)

func TestTheDownloaderStartsAndStopsInAnyOrder(t *testing.T) {
	w := newWorld(t)
	folder, err := incoming.NewFolder(w.kept())
	if err != nil {
		t.Fatal(err)
	}
	parttest.Stress(t, func(*testing.T) parttest.Part {
		d := incoming.New(w.store.Kept(), w, folder, w.options)
		return parttest.Part{Start: func(ctx context.Context) error { return d.Start(ctx, w) }, Stop: d.Stop}
	})
}
