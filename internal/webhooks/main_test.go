package webhooks_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"wasup/internal/store/pgtest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childStore); path != "" {
		os.Exit(deliverUntilKilled(path))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		pgtest.Stop()
		os.Exit(code)
	}))
}
