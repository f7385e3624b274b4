package whatsapp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

func someBytes(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.Read(data)
	return data
}

// noSurprises fails if the server got an unknown or malformed request, a handler panicked, or a key was used twice.
func (h *house) noSurprises() {
	h.t.Helper()
	counters := h.server.Counters()
	if len(counters.UnknownQueries) != 0 || len(counters.Malformed) != 0 || counters.Panics != 0 || counters.KeyReuses != 0 {
		h.t.Errorf("unknown queries %v, malformed %v, %d handlers broke, %d keys used twice", counters.UnknownQueries, counters.Malformed, counters.Panics, counters.KeyReuses)
	}
}

func wantCode(t testing.TB, err error, code session.Code) {
	t.Helper()
	if got := session.CodeOf(err); got != code {
		t.Errorf("code is %q (%v), want %q", got, err, code)
	}
}

func TestMessagesAreMarkedAsReadAndPlayed(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	own, friend := h.phone(), h.phone()
	l := h.ready("a", own)
	chat := message.Recipient(friend.Number() + "@s.whatsapp.net")
	feed, stop := h.server.Subscribe()
	defer stop()
	for _, mark := range []message.ReadMark{{}, {Played: true}} {
		for _, mark.Chat = range []message.Recipient{chat, message.Recipient(friend.LID().String())} {
			mark.IDs = nil
			for range 2 {
				id, err := friend.SendText(testContext(t), own.Number(), "read me")
				if err != nil {
					t.Fatal(err)
				}
				mark.IDs = append(mark.IDs, id)
			}
			if err := l.client.MarkRead(testContext(t), mark); err != nil {
				t.Fatal(err)
			}
			if mark.Played { // a receipt for several messages is reported with the first id
				for e := until(t, feed, observe.EventReceipt); e.Detail != "played "+mark.IDs[0]; e = until(t, feed, observe.EventReceipt) {
					t.Log(e.Detail)
				}
				continue
			}
			for _, id := range mark.IDs {
				if _, err := friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id && m.Status == phones.StatusRead }); err != nil {
					t.Fatalf("%+v: %v", mark, err)
				}
			}
		}
	}
	group, err := friend.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{own.Number()}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := friend.SendGroupText(testContext(t), group, "read me too")
	if err != nil {
		t.Fatal(err)
	}
	mark := message.ReadMark{Chat: message.Recipient(group.String()), IDs: []string{id}}
	wantField(t, l.client.MarkRead(testContext(t), mark), "sender")
	mark.Sender = message.Address{LID: friend.LID().String()}
	if err = l.client.MarkRead(testContext(t), mark); err != nil {
		t.Fatal(err)
	}
	if _, err = friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id && m.Status == phones.StatusRead }); err != nil {
		t.Fatal(err)
	}
	wantField(t, l.client.MarkRead(testContext(t), message.ReadMark{Chat: "x", IDs: []string{id}}), "chat")
	wantField(t, l.client.MarkRead(testContext(t), message.ReadMark{Chat: chat}), "ids")
	wantField(t, l.client.MarkRead(testContext(t), message.ReadMark{Chat: chat, IDs: []string{id, ""}}), "ids[1]")
	h.noSurprises()
	l.nothingMore()
}

func wantField(t testing.TB, err error, field string) {
	t.Helper()
	var e *session.Error
	if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != field || !strings.HasPrefix(e.Message, field+": ") {
		t.Errorf("got %v, want an error that names %s", err, field)
	}
}

func TestTheOtherSideSeesTheChatState(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	own, friend := h.phone(), h.phone()
	l := h.ready("a", own)
	feed, stop := h.server.Subscribe()
	defer stop()
	to := message.Recipient(friend.Number() + "@s.whatsapp.net")
	for state, shown := range map[message.ChatState]string{
		message.ChatTyping: "composing", message.ChatRecording: "recording", message.ChatPaused: "paused",
	} {
		if err := l.client.SetChatState(testContext(t), to, state); err != nil {
			t.Fatal(err)
		}
		if e := until(t, feed, observe.EventChatState); e.Account != friend.Number() || e.Detail != shown+" "+own.Number() {
			t.Errorf("%s was shown as %+v", state, e)
		}
	}
	wantField(t, l.client.SetChatState(testContext(t), to, "dancing"), "state")
	h.noSurprises()
	l.nothingMore()
	wantCode(t, l.client.SetChatState(testContext(t), to, message.ChatTyping), session.CodeDisconnected)
}

func TestContactsAreLookedUp(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	friend := h.phone()
	l := h.ready("a", h.phone())
	const nobody = "491999999999"
	got, err := l.client.CheckContacts(testContext(t), []string{nobody, "+" + friend.Number(), friend.Number()})
	if err != nil {
		t.Fatal(err)
	}
	known := message.Address{LID: friend.LID().String(), PN: friend.JID().String()}
	want := []message.Contact{
		{Query: nobody}, {Query: "+" + friend.Number(), OnWhatsApp: true, Address: known}, {Query: friend.Number(), OnWhatsApp: true, Address: known},
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
	_, err = l.client.CheckContacts(testContext(t), nil)
	wantField(t, err, "phones")
	_, err = l.client.CheckContacts(testContext(t), []string{nobody, "12345@lid"})
	wantField(t, err, "phones[1]")
	_, err = l.client.CheckContacts(testContext(t), make([]string, 101))
	wantField(t, err, "phones")
	h.noSurprises()
	l.nothingMore()
	_, err = l.client.CheckContacts(testContext(t), []string{nobody})
	wantCode(t, err, session.CodeDisconnected)
}

func newFile(t testing.TB) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "fetched"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func TestFilesAreFetchedByteForByte(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	l := h.ready("a", h.phone())
	for _, kind := range message.SendableKinds() {
		if !kind.HasMedia() {
			continue
		}
		for _, size := range []int{1, 100_000, 1 << 20} { // the last one gets a whole block of padding
			plain := someBytes(size)
			remote, err := whatsapp.Upload(testContext(t), l.client, plain, kind)
			if err != nil {
				t.Fatal(err)
			}
			file := newFile(t)
			if err = l.client.FetchMedia(testContext(t), remote, file); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if got, err := io.ReadAll(file); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s of %d bytes came as %d, %v", kind, size, len(got), err)
			}
		}
	}
	h.noSurprises()
	l.nothingMore()
}

func TestAFileThatCannotBeFetchedLeavesNothing(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	l := h.ready("a", h.phone())
	plain := someBytes(50_000)
	good, err := whatsapp.Upload(testContext(t), l.client, plain, message.KindDocument)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		spoil func(*message.Remote)
		code  session.Code
	}{
		"no key":           {func(r *message.Remote) { r.Key = nil }, session.CodeInvalidRequest},
		"no file":          {func(r *message.Remote) { r.Kind = message.KindText }, session.CodeInvalidRequest},
		"another key":      {func(r *message.Remote) { r.Key = someBytes(32) }, session.CodeFetchFailed},
		"another kind":     {func(r *message.Remote) { r.Kind = message.KindImage }, session.CodeFetchFailed},
		"another content":  {func(r *message.Remote) { r.FileSHA256 = someBytes(32) }, session.CodeFetchFailed},
		"longer than said": {func(r *message.Remote) { r.Length = 1000 }, session.CodeFetchFailed},
		"unknown":          {func(r *message.Remote) { r.DirectPath = "/v/t62.7118-24/nothing.enc?a=b" }, session.CodeMediaGone},
	} {
		spoiled, file := good, newFile(t)
		test.spoil(&spoiled)
		err := l.client.FetchMedia(testContext(t), spoiled, file)
		if session.CodeOf(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
		if info, statErr := file.Stat(); statErr != nil || info.Size() != 0 {
			t.Errorf("%s: left %v, %v", name, info, statErr)
		}
	}
	if full, err := os.OpenFile("/dev/full", os.O_RDWR, 0); err == nil { // on Linux
		before := h.server.Counters().Downloads
		wantCode(t, l.client.FetchMedia(testContext(t), good, full), session.CodeStoreFull)
		if n := h.server.Counters().Downloads - before; n != 1 {
			t.Errorf("with a full disk it was downloaded %d times", n)
		}
		_ = full.Close()
	}
	h.fault(faults.Fault{Kind: faults.MediaDownload, Code: 400, Count: 1})
	wantCode(t, l.client.FetchMedia(testContext(t), good, newFile(t)), session.CodeFetchFailed)
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	wantCode(t, l.client.FetchMedia(ctx, good, newFile(t)), session.CodeTimeout)
	for _, file := range h.server.Media().List() {
		if err = h.server.Media().Take(file.ID, 410, false); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, l.client.FetchMedia(testContext(t), good, newFile(t)), session.CodeMediaGone)
	h.noSurprises()
	l.nothingMore()
}
