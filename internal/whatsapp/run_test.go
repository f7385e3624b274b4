package whatsapp

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"wasup/internal/session"
)

func TestARequestEndsWithItsDeadlineOrTheRunAndNotWithTheCaller(t *testing.T) {
	r := newRun(t.Context(), session.Run{Session: "51"}, true, slog.New(slog.DiscardHandler))
	type key struct{}
	caller, leave := context.WithTimeout(context.WithValue(t.Context(), key{}, "kept"), time.Hour)
	ctx, done := r.requestContext(caller)
	defer done()
	want, _ := caller.Deadline()
	if got, is := ctx.Deadline(); !is || !got.Equal(want) || ctx.Value(key{}) != "kept" {
		t.Errorf("deadline %v, %v, want %v; value %v", got, is, want, ctx.Value(key{}))
	}
	leave()
	if ctx.Err() != nil {
		t.Errorf("it ended with the caller: %v", ctx.Err())
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	over, done := r.requestContext(late)
	defer done()
	if !errors.Is(over.Err(), context.DeadlineExceeded) {
		t.Errorf("after the deadline it is %v", over.Err())
	}
	unlimited, done := r.requestContext(context.Background())
	defer done()
	r.end()
	<-ctx.Done()
	<-unlimited.Done()
}
