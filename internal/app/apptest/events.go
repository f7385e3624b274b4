package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"wasup/internal/events"
)

// LoggedEvent is an event in the answer of GET …/events.
type LoggedEvent struct {
	ID        string          `json:"id"`
	Seq       uint64          `json:"seq"`
	Type      string          `json:"type"`
	SessionID string          `json:"session_id"`
	Data      json.RawMessage `json:"data"`
}

// Logged waits until a session's log has at least n events of a type and returns them.
func (c Caller) Logged(t testing.TB, id string, of events.Type, n int) []LoggedEvent {
	t.Helper()
	var page struct {
		Items []LoggedEvent `json:"items"`
	}
	Until(t, fmt.Sprintf("%d %s", n, of), func() bool {
		answer := c.Get("/v1/sessions/"+id+"/events?limit=500&types="+url.QueryEscape(string(of)), 1).Is(200)
		if err := json.Unmarshal(answer.Body, &page); err != nil {
			t.Fatal(err)
		}
		return len(page.Items) >= n
	})
	return page.Items
}

// Attached waits until a session has at least n messages and returns the paths of their files, by SHA-256.
func (c Caller) Attached(t testing.TB, id string, n int) map[string]string {
	t.Helper()
	all := make(map[string]string)
	list := c.Logged(t, id, events.TypeMessage, n)
	for i := range list {
		var data events.MessageData
		if err := json.Unmarshal(list[i].Data, &data); err != nil || data.Content.Media == nil || data.Content.Media.ID == "" {
			t.Fatalf("%s: %v", list[i].Data, err)
		}
		all[data.Content.Media.SHA256] = "/v1/sessions/" + id + "/media/" + data.Content.Media.ID
	}
	return all
}

// Keeps waits until X-Media-Kept of a file has this state. It does not download the file.
func (c Caller) Keeps(t testing.TB, path, state string) {
	t.Helper()
	Until(t, path+" is "+state, func() bool {
		answer := c.Must(c.Try(context.Background(), "HEAD", path, 1, "", nil))
		return answer.Status == 200 && answer.Header.Get("X-Media-Kept") == state
	})
}

// Whole checks that a file is served from the disk and has this content.
func (c Caller) Whole(t testing.TB, path string, content []byte) {
	t.Helper()
	got := c.Get(path, 1).Is(200)
	if !bytes.Equal(got.Body, content) || got.Header.Get("X-Media-Kept") != "kept" {
		t.Errorf("%s: %d bytes of %d, %v", path, len(got.Body), len(content), got.Header)
	}
}
