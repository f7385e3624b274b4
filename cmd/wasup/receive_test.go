package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// loggedEvent is an event as GET …/events gives it.
type loggedEvent struct {
	ID        string          `json:"id"`
	Seq       uint64          `json:"seq"`
	Type      string          `json:"type"`
	SessionID string          `json:"session_id"`
	Data      json.RawMessage `json:"data"`
}

// logged waits until a session's log has so many events of a type and gives them.
func (c caller) logged(t testing.TB, id string, of session.EventType, n int) []loggedEvent {
	t.Helper()
	var page struct {
		Items []loggedEvent `json:"items"`
	}
	until(t, fmt.Sprintf("%d %s", n, of), func() bool {
		answer := c.get("/v1/sessions/"+id+"/events?limit=500&types="+url.QueryEscape(string(of)), 1).is(200)
		if err := json.Unmarshal(answer.body, &page); err != nil {
			t.Fatal(err)
		}
		return len(page.Items) >= n
	})
	return page.Items
}

func texts(t testing.TB, list []loggedEvent) (all []string) {
	t.Helper()
	for i := range list {
		var data session.MessageData
		if err := json.Unmarshal(list[i].Data, &data); err != nil || data.Content == nil {
			t.Fatalf("%s: %v", list[i].Data, err)
		}
		all = append(all, data.Content.Text)
	}
	return all
}

func TestWhatComesInIsLoggedOnceAndInOrderThroughKills(t *testing.T) {
	server := newSandbox(t, sandbox.Config{})
	cfg := quick(server, newDSN(t))
	child, c := serveChild(t, cfg)
	own, err := server.AddPhone(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := server.AddPhone(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Scan(bounded(t), c.get("/qr-code", 1).is(200).code()); err != nil {
		t.Fatal(err)
	}
	until(t, "READY", func() bool { return c.get("/status", 1).is(200).fields["connected"] == true })
	const rounds, each = 4, 25
	var want []string
	for round := range rounds {
		ended := make(chan error, 1)
		go func() {
			for i := range each {
				if _, err := peer.SendText(context.Background(), own.Number(), fmt.Sprintf("text %d.%d", round, i)); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
		for i := range each {
			want = append(want, fmt.Sprintf("text %d.%d", round, i))
		}
		// In the middle of it.
		c.logged(t, "1", session.EventMessage, round*each+each/3)
		child.kill()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		child, c = serveChild(t, cfg)
		until(t, "the session is back", func() bool { return c.get("/readyz", 1).status == 200 })
	}
	got := texts(t, c.logged(t, "1", session.EventMessage, rounds*each))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("logged\n%q, want\n%q", got, want)
	}
	if undecryptable := c.logged(t, "1", session.EventUndecryptable, 0); len(undecryptable) > 0 {
		t.Errorf("%d could not be decrypted", len(undecryptable))
	}
	if n := server.Counters(); n.KeyReuses != 0 || len(n.UnknownQueries) != 0 {
		t.Errorf("%d keys were used twice, unknown queries %v", n.KeyReuses, n.UnknownQueries)
	}
}

func TestReceiptsReachTheOutboxAndTheLog(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	id := h.send(1, bruno.Number(), "read me").is(200).text("message_id")
	arrived(t, bruno, id, phones.StatusRead)
	until(t, "read", func() bool {
		message, err := h.app.box.Load().Message(bounded(t), "1", id)
		return err == nil && message.State == session.MessageRead && !message.DeliveredAt.IsZero()
	})
	statuses := h.logged(t, "1", session.EventStatus, 1)
	last := session.StatusData{}
	if err := json.Unmarshal(statuses[len(statuses)-1].Data, &last); err != nil || last.State != "read" || last.ID != id {
		t.Errorf("the last status is %+v, %v", last, err)
	}
	if receipts := h.logged(t, "1", session.EventReceipt, 2); len(receipts) < 2 {
		t.Errorf("%d receipts", len(receipts))
	}
}

func TestAFileThatCameInIsServedByteForByte(t *testing.T) {
	h := newHouse(t)
	own := h.linked(1)
	bruno := h.phone(phones.ScriptSilent)
	content := make([]byte, 3<<20)
	_, _ = rand.Read(content)
	if _, err := bruno.SendMessage(bounded(t), phones.Outgoing{
		To: own.Number(), Kind: phones.KindDocument, Media: &phones.Attachment{Data: content, MIME: "application/pdf", FileName: "invoice.pdf"},
	}); err != nil {
		t.Fatal(err)
	}
	var data session.MessageData
	if err := json.Unmarshal(h.logged(t, "1", session.EventMessage, 1)[0].Data, &data); err != nil {
		t.Fatal(err)
	}
	file := data.Content.Media
	path := "/v1/sessions/1/media/" + file.ID
	got := h.get(path, 1)
	if got.status != 200 || !bytes.Equal(got.body, content) || got.header.Get("Content-Type") != "application/pdf" ||
		got.header.Get("Content-Length") != fmt.Sprint(len(content)) || got.header.Get("Content-Disposition") != "attachment; filename=invoice.pdf" ||
		got.header.Get("ETag") != `"`+file.SHA256+`"` {
		t.Errorf("%d, %d bytes, %v", got.status, len(got.body), got.header)
	}
	h.get("/v1/sessions/1/media/0123", 1).is(410).with("code", "media_gone")
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(strings.TrimPrefix(h.cfg.Store.DSN, "sqlite:")), "*", "incoming", "*")); err != nil || len(left) > 0 {
		until(t, "nothing of it is left", func() bool {
			left, err = filepath.Glob(filepath.Join(filepath.Dir(strings.TrimPrefix(h.cfg.Store.DSN, "sqlite:")), "*", "incoming", "*"))
			return err == nil && len(left) == 0
		})
	}
	h.post("/v1/sessions/1/stop", 1, "").is(200)
	h.get(path, 1).is(409)
}

func TestRecipientsAreShownWhatTheAccountIsCalled(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	bruno := h.linked(2)
	// The name comes from the phone, some time after it was linked.
	shown := func(want string) {
		t.Helper()
		n := 0
		until(t, "a message by "+want, func() bool {
			n++
			h.v1("POST", "/1/messages?wait=delivered&timeout=60s", `{"to":"`+bruno.Number()+`","text":"hola"}`).is(200)
			list := h.logged(t, "2", session.EventMessage, n)
			var data session.MessageData
			if err := json.Unmarshal(list[len(list)-1].Data, &data); err != nil {
				t.Fatal(err)
			}
			return data.PushName == want
		})
	}
	shown(ana.Name())
	if err := ana.Rename(bounded(t), "Ana of the shop"); err != nil {
		t.Fatal(err)
	}
	shown("Ana of the shop")
	h.v1("POST", "/1/restart", "").is(200)
	until(t, "the session is back", func() bool { return h.get("/status", 1).is(200).fields["connected"] == true })
	shown("Ana of the shop")
}
