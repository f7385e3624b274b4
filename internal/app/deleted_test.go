package app

import (
	"encoding/json"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// TestWhatIsDeletedIsNeitherChangedNorQuoted: of the account's messages, whichever device has sent and which has deleted
// them. Phones ignore a change of what is gone, and a quote would bring its words back.
func TestWhatIsDeletedIsNeitherChangedNorQuoted(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	group, err := bruno.CreateGroup(apptest.Bounded(t), phones.NewGroup{Subject: "Friends", Members: []string{ana.Number()}})
	if err != nil {
		t.Fatal(err)
	}
	for _, chat := range []string{bruno.Number(), group.String()} {
		for _, by := range []string{"wasup, wasup", "wasup, phone", "phone, wasup", "phone, phone"} { // who sent, who deleted
			t.Run(chat+" "+by, func(t *testing.T) {
				var id string
				if by[0] == 'w' {
					id = h.sent(`{"to":"` + chat + `","text":"a secret"}`)
				} else {
					id = saidByPhone(t, h, ana, phones.Outgoing{To: chat, Text: "a secret"}, events.TypeMessage)
				}
				arrivedAt(t, bruno, id, func(m phones.Message) bool { return !m.Revoked })
				about := `"target":{"id":"` + id + `","from_me":true}}`
				if by[len(by)-1] == 'p' {
					h.sent(`{"to":"` + chat + `","kind":"revoke",` + about)
				} else {
					saidByPhone(t, h, ana, phones.Outgoing{To: chat, Kind: phones.KindRevoke, Target: id}, events.TypeRevoked)
				}
				arrivedAt(t, bruno, id, func(m phones.Message) bool { return m.Revoked })
				for _, change := range []string{`"kind":"edit","text":"back again",`, `"kind":"reaction","reaction":"👍",`} {
					h.message("?wait=server_ack&timeout=60s", `{"to":"`+chat+`",`+change+about).Is(400).With("code", "invalid_request")
				}
				reply := h.sent(`{"to":"` + chat + `","text":"sorry","quote":{"id":"` + id + `","from_me":true,"text":"a secret"}}`)
				if m := arrivedAt(t, bruno, reply, func(phones.Message) bool { return true }); m.Quote != nil {
					t.Errorf("the reply quotes %+v", m.Quote)
				}
				if m := arrivedAt(t, bruno, id, func(phones.Message) bool { return true }); m.Text != "" || m.Edited || !m.Revoked {
					t.Errorf("the phone shows %+v", m)
				}
			})
		}
	}
}

// saidByPhone makes the account's phone send a message, and waits until wasup has told it. It returns the id.
func saidByPhone(t *testing.T, h *house, phone *sandbox.Phone, out phones.Outgoing, told events.Type) string {
	t.Helper()
	id, err := phone.SendMessage(apptest.Bounded(t), out)
	if err != nil {
		t.Fatal(err)
	}
	apptest.Until(t, "the event of "+id, func() bool {
		for _, event := range h.Logged(t, "1", told, 0) {
			var data events.MessageData
			if json.Unmarshal(event.Data, &data) == nil && data.ID == id {
				return true
			}
		}
		return false
	})
	return id
}

// arrivedAt waits for a message that a phone shows so.
func arrivedAt(t *testing.T, phone *sandbox.Phone, id string, so func(phones.Message) bool) phones.Message {
	t.Helper()
	m, err := phone.WaitMessage(apptest.Bounded(t), func(m phones.Message) bool { return m.ID == id && so(m) })
	if err != nil {
		t.Fatal(err)
	}
	return m
}
