package store_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"wasup/internal/store/pgtest"
)

// childDSN is the variable with the database's DSN if the test binary runs as the child of the crash test.
const childDSN = "WASUP_STORE_TEST_CHILD_DSN"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childDSN); dsn != "" {
		os.Exit(writeUntilKilled(dsn))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		pgtest.Stop()
		os.Exit(code)
	}))
}
