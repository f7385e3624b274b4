package webhooks_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childStore); path != "" {
		os.Exit(deliverUntilKilled(path))
	}
	goleak.VerifyTestMain(m)
}
