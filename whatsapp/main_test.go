package whatsapp

import (
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Short pings let the tests see them unanswered. whatsmeow reads these variables without a lock.
	whatsmeow.KeepAliveIntervalMin = 200 * time.Millisecond
	whatsmeow.KeepAliveIntervalMax = 400 * time.Millisecond
	whatsmeow.KeepAliveResponseDeadline = time.Second
	goleak.VerifyTestMain(m)
}
