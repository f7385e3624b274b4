package sandbox_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

func TestPostsAtTheSameTimeKeepTheirOrder(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	ana, bea := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent)
	client := newDevice(t, server)
	client.pair(ana)
	jid, err := bea.CreateChannel(context.Background(), "News", []string{ana.Number()})
	if err != nil {
		t.Fatal(err)
	}
	const posts = 500
	done := make(chan error, posts)
	for i := range posts {
		go func() {
			_, err := bea.SendText(context.Background(), jid.String(), fmt.Sprint("post ", i))
			done <- err
		}()
	}
	for range posts {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	var got []int
	eventually(t, func() bool {
		got = nil
		for _, event := range client.seen(0) {
			if m, ok := event.(*events.Message); ok && m.Info.Chat == jid {
				got = append(got, int(m.Info.ServerID))
			}
		}
		return len(got) == posts
	})
	if !slices.IsSorted(got) {
		t.Errorf("the posts came as %v", got)
	}
}
