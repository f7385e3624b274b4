package store_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"wasup/store/pgtest"
)

// childFile names the database when the test binary runs as a child that is going to be killed.
const childFile = "WASUP_STORE_TEST_CHILD_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		os.Exit(writeUntilKilled(path))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		pgtest.Stop()
		os.Exit(code)
	}))
}
