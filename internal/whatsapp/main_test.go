package whatsapp_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.uber.org/goleak"

	"wasup/internal/store/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDSN) != "" {
		fmt.Fprintln(os.Stderr, sendUntilKilled())
		os.Exit(2)
	}
	// Short intervals let the tests see unanswered pings. whatsmeow reads these variables without a lock.
	whatsmeow.KeepAliveIntervalMin = 200 * time.Millisecond
	whatsmeow.KeepAliveIntervalMax = 400 * time.Millisecond
	whatsmeow.KeepAliveResponseDeadline = time.Second
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		pgtest.Stop()
		os.Exit(code)
	}))
}
