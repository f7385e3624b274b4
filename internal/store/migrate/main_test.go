package migrate_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"wasup/internal/store/pgtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		pgtest.Stop()
		os.Exit(code)
	}))
}
