package whatsapp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestARequestGoesOnForAMomentAfterItsCallerHasCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		caller, leave := context.WithTimeout(context.WithValue(t.Context(), key{}, "kept"), time.Hour)
		ctx, done := requestContext(caller)
		defer done()
		want, _ := caller.Deadline()
		if got, is := ctx.Deadline(); !is || !got.Equal(want) || ctx.Value(key{}) != "kept" {
			t.Errorf("deadline %v, %v, want %v; value %v", got, is, want, ctx.Value(key{}))
		}
		leave()
		time.Sleep(cancelGrace - time.Nanosecond)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Errorf("it ended with its caller: %v", ctx.Err())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("after the grace it is %v", ctx.Err())
		}
	})
}

func TestARequestEndsAtItsCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, leave := context.WithTimeout(t.Context(), time.Minute)
		defer leave()
		ctx, done := requestContext(caller)
		defer done()
		unlimited, end := requestContext(t.Context())
		time.Sleep(time.Minute)
		synctest.Wait()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || unlimited.Err() != nil {
			t.Errorf("with a deadline it is %v, without one %v", ctx.Err(), unlimited.Err())
		}
		end()
		if unlimited.Err() == nil {
			t.Error("it goes on after its end")
		}
	})
}
