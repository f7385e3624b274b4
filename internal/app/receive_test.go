package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

func texts(t testing.TB, list []apptest.LoggedEvent) (all []string) {
	t.Helper()
	for i := range list {
		var data events.MessageData
		if err := json.Unmarshal(list[i].Data, &data); err != nil || data.Content == nil {
			t.Fatalf("%s: %v", list[i].Data, err)
		}
		all = append(all, data.Content.Text)
	}
	return all
}

func TestWhatComesInIsLoggedOnceAndInOrderThroughKills(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	child, c := apptest.ServeChild(t, cfg)
	own, err := server.AddPhone(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := server.AddPhone(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Scan(apptest.Bounded(t), c.Get("/qr-code", 1).Is(200).Code()); err != nil {
		t.Fatal(err)
	}
	apptest.Until(t, "READY", func() bool { return c.Get("/status", 1).Is(200).Fields["connected"] == true })
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
		// The kill comes in the middle of a round.
		c.Logged(t, "1", events.TypeMessage, round*each+each/3)
		child.Kill()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		child, c = apptest.ServeChild(t, cfg)
		apptest.Until(t, "the session is back", func() bool { return c.Get("/readyz", 1).Status == 200 })
	}
	got := texts(t, c.Logged(t, "1", events.TypeMessage, rounds*each))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("logged\n%q, want\n%q", got, want)
	}
	if undecryptable := c.Logged(t, "1", events.TypeUndecryptable, 0); len(undecryptable) > 0 {
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
	id := h.Send(1, bruno.Number(), "read me").Is(200).Text("message_id")
	arrived(t, bruno, id, phones.StatusRead)
	apptest.Until(t, "read", func() bool {
		msg, err := h.app.outbox.Message(apptest.Bounded(t), "1", id)
		return err == nil && msg.State == message.Read && !msg.DeliveredAt.IsZero()
	})
	statuses := h.Logged(t, "1", events.TypeStatus, 1)
	last := events.StatusData{}
	if err := json.Unmarshal(statuses[len(statuses)-1].Data, &last); err != nil || last.State != "read" || last.ID != id {
		t.Errorf("the last status is %+v, %v", last, err)
	}
	if receipts := h.Logged(t, "1", events.TypeReceipt, 2); len(receipts) < 2 {
		t.Errorf("%d receipts", len(receipts))
	}
}

func TestAFileThatCameInIsServedByteForByte(t *testing.T) {
	h := newHouse(t)
	own := h.linked(1)
	bruno := h.phone(phones.ScriptSilent)
	content := make([]byte, 3<<20)
	_, _ = rand.Read(content)
	if _, err := bruno.SendMessage(apptest.Bounded(t), phones.Outgoing{
		To: own.Number(), Kind: phones.KindDocument, Media: &phones.Attachment{Data: content, MIME: "application/pdf", FileName: "invoice.pdf"},
	}); err != nil {
		t.Fatal(err)
	}
	var data events.MessageData
	if err := json.Unmarshal(h.Logged(t, "1", events.TypeMessage, 1)[0].Data, &data); err != nil {
		t.Fatal(err)
	}
	file := data.Content.Media
	path := "/v1/sessions/1/media/" + file.ID
	got := h.Get(path, 1)
	if got.Status != 200 || !bytes.Equal(got.Body, content) || got.Header.Get("Content-Type") != "application/pdf" ||
		got.Header.Get("Content-Length") != fmt.Sprint(len(content)) || got.Header.Get("Content-Disposition") != "attachment; filename=invoice.pdf" ||
		got.Header.Get("ETag") != `"`+file.SHA256+`"` {
		t.Errorf("%d, %d bytes, %v", got.Status, len(got.Body), got.Header)
	}
	h.Get("/v1/sessions/1/media/0123", 1).Is(410).With("code", "media_gone")
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(strings.TrimPrefix(h.cfg.Store.DSN, "sqlite:")), "*", "incoming", "*")); err != nil || len(left) > 0 {
		apptest.Until(t, "nothing of it is left", func() bool {
			left, err = filepath.Glob(filepath.Join(filepath.Dir(strings.TrimPrefix(h.cfg.Store.DSN, "sqlite:")), "*", "incoming", "*"))
			return err == nil && len(left) == 0
		})
	}
	h.Post("/v1/sessions/1/stop", 1, "").Is(200)
	h.Get(path, 1).Is(409)
}

func TestRecipientsAreShownWhatTheAccountIsCalled(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	bruno := h.linked(2)
	// The phone sends the name some time after the device was linked.
	shown := func(want string) {
		t.Helper()
		n := 0
		apptest.Until(t, "a message by "+want, func() bool {
			n++
			h.v1("POST", "/1/messages?wait=delivered&timeout=60s", `{"to":"`+bruno.Number()+`","text":"hola"}`).Is(200)
			list := h.Logged(t, "2", events.TypeMessage, n)
			var data events.MessageData
			if err := json.Unmarshal(list[len(list)-1].Data, &data); err != nil {
				t.Fatal(err)
			}
			return data.PushName == want
		})
	}
	shown(ana.Name())
	if err := ana.Rename(apptest.Bounded(t), "Ana of the shop"); err != nil {
		t.Fatal(err)
	}
	shown("Ana of the shop")
	h.v1("POST", "/1/restart", "").Is(200)
	apptest.Until(t, "the session is back", func() bool { return h.Get("/status", 1).Is(200).Fields["connected"] == true })
	shown("Ana of the shop")
}
