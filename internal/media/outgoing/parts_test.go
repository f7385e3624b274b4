package outgoing_test

import (
	"context"
	"testing"
	"time"

	"wasup/internal/media/outgoing"
	"wasup/internal/message"
	"wasup/internal/testtools/parttest"
)

func TestASweeperStartsAndStopsInAnyOrder(t *testing.T) {
	folder, _ := newFolder(t)
	put(t, folder, []byte("kept"), message.FileHint{})
	parttest.Stress(t, func(*testing.T) parttest.Part {
		s := outgoing.NewSweeper(folder, time.Nanosecond, 0, func(_ context.Context, files []string) ([]string, error) { return files, nil })
		return parttest.Part{Start: s.Start, Stop: s.Stop}
	})
}
