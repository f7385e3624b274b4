package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/pause"
)

func TestASleepEndsWithItsTimeOrBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !pause.Sleep(t.Context().Done(), time.Minute) || time.Since(began) != time.Minute {
			t.Errorf("it slept for %s", time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began = time.Now()
		if pause.Sleep(ctx.Done(), time.Hour) || time.Since(began) != time.Second {
			t.Errorf("it was ended after a second and slept for %s", time.Since(began))
		}
		if !pause.Sleep(nil, time.Second) {
			t.Error("without anything that ends it, it ended")
		}
	})
}
