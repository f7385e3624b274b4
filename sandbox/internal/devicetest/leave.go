package devicetest

import (
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"
)

// Ends reports whether an event says that the server has ended the connection for good.
func Ends(event any) bool {
	switch event.(type) {
	case *events.LoggedOut, *events.StreamReplaced, *events.TemporaryBan, *events.ClientOutdated, *events.ConnectFailure:
		return true
	default:
		return false
	}
}

// Leave disconnects a client. Where the server has ended the connection for good it waits until the client has seen that:
// whatsmeow's Disconnect and its own handling of a closed socket touch socket.FrameSocket.OnDisconnect without a lock, so
// they must not meet.
func Leave(tb testing.TB, cli *whatsmeow.Client, ended bool) {
	tb.Helper()
	if !ended {
		cli.Disconnect()
		return
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for cli.IsConnected() {
		select {
		case <-look.C:
		case <-deadline.C:
			tb.Error("the connection was not closed")
			return
		}
	}
}
