package httpapi_test

import (
	"context"
	"net"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/internal/session"
	"wasup/internal/testtools/parttest"
)

// Not parallel: the goroutines of other tests would look like leaks.
func TestAServerStartsAndStopsInAnyOrder(t *testing.T) {
	behind := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{}).Deps
	parttest.Stress(t, func(t *testing.T) parttest.Part {
		s, err := httpapi.New(httpapi.Config{Listen: "127.0.0.1:0"}, behind)
		if err != nil {
			t.Fatal(err)
		}
		return parttest.Part{Start: s.Start, Stop: s.Stop}
	}, apitest.Lingering()...)
}

// Fiber holds a lock while it shuts down: the second stop would wait for the first one's time to end.
func TestAStopWithoutTimeCutsOffWhatAnotherOneWaitsFor(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{Starting: func(ctx context.Context, _ session.ID) (session.Status, bool, error) {
		close(began)
		<-ctx.Done()
		return session.Status{}, false, ctx.Err()
	}})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = r.Try("POST", "/init", "", apitest.Client51) // whether the answer still arrives is a race
	}()
	<-began
	patient := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		patient <- r.Stop(ctx)
	}()
	for { // until the first stop is on its way
		caller, err := net.Dial("tcp", r.Addr())
		if err != nil {
			break
		}
		_ = caller.Close()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Stop(ended); err == nil {
		t.Error("a stop that cut a request off says nothing")
	}
	if err := <-patient; err != nil {
		t.Errorf("the stop that had time: %v", err)
	}
	<-gone
}
