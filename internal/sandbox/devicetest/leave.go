package devicetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types/events"
)

// Ends reports whether an event means that the server has ended the connection for good.
func Ends(event any) bool {
	switch event.(type) {
	case *events.LoggedOut, *events.StreamReplaced, *events.TemporaryBan, *events.ClientOutdated, *events.ConnectFailure:
		return true
	default:
		return false
	}
}

// Leave disconnects a client. If the server has ended the connection for good, Leave waits until the client has
// noticed. whatsmeow's Disconnect and its handling of a closed socket both access socket.FrameSocket.OnDisconnect
// without a lock, so they must not run at the same time.
func Leave(tb testing.TB, cli *whatsmeow.Client, ended bool) {
	tb.Helper()
	if !ended {
		cli.Disconnect()
		return
	}
	Gone(tb, cli)
}

// Gone waits until a client that does not reconnect by itself has dropped the connection that the server ended. After
// that, Connect and Disconnect do not race with the client's own clean-up.
func Gone(tb testing.TB, cli *whatsmeow.Client) {
	tb.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !gone(cli) {
		select {
		case <-look.C:
		case <-deadline.C:
			tb.Error("the connection was not closed")
			return
		}
	}
}

// gone tries to send a stanza on a connection that has ended. The error shows whether the client still has the closed
// socket or none.
func gone(cli *whatsmeow.Client) bool {
	if cli.IsConnected() {
		return false
	}
	//nolint:staticcheck // marked deprecated to warn of use; there is no other way to send what is never answered
	err := cli.DangerousInternals().SendNode(context.Background(), waBinary.Node{Tag: "presence"})
	return errors.Is(err, whatsmeow.ErrNotConnected)
}
