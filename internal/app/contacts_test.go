package app

import (
	"fmt"
	"strings"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/sandbox/phones"
)

func TestPhoneNumbersAreLookedUpAtAPaceAndRemembered(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	numbers := func(from, n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"34699%06d"`, from+i))
		}
		return `{"phones":[` + strings.Join(list, ",") + `]}`
	}
	for _, from := range []int{0, 100, 0, 100} { // the second time the answers are cached
		h.v1("POST", "/1/contacts/check", numbers(from, 100)).Is(200)
	}
	h.v1("POST", "/1/contacts/check", numbers(1000, 100)).Is(429).With("code", "rate_limited")
	h.v1("POST", "/1/stop", "").Is(200)
	h.v1("POST", "/1/contacts/check", numbers(0, 100)).Is(200)
	if unknown := h.server.Counters().UnknownQueries; len(unknown) != 0 {
		t.Errorf("the sandbox does not know %v", unknown)
	}
}

func TestANumberThatWhatsAppWritesOtherwiseIsSentTo(t *testing.T) {
	h := newHouse(t)
	own := h.linked(1)
	bruno, err := h.server.AddPhone(phones.Config{Number: "551187654321", Aliases: []string{"5511987654321"}})
	if err != nil {
		t.Fatal(err)
	}
	const other, nobody = "+55 11 98765-4321", "5511900000000"
	h.v1("POST", "/1/contacts/check", `{"phones":["`+nobody+`"]}`).Is(200)
	first := h.Send(1, other, "before a check").Is(200).With("ok", true).Text("message_id")
	arrived(t, bruno, first, phones.StatusRead)
	h.v1("POST", "/1/contacts/check", `{"phones":["`+other+`","`+bruno.Number()+`"]}`).Is(200)
	second := h.Send(1, other, "after a check").Is(200).Text("message_id")
	arrived(t, bruno, second, phones.StatusRead)
	h.Send(1, nobody, "nobody").Is(500).With("code", "SEND_FAILED")

	h = h.reopen()
	h.ready(1)
	id := h.sent(`{"to":"` + other + `","text":"hello"}`)
	h.comesTo(id, "read")
	h.v1("POST", "/1/messages?wait=delivered", `{"to":"`+bruno.Number()+`","kind":"edit","text":"hello!","target":{"id":"`+id+`","from_me":true}}`).Is(200)
	if _, err = bruno.WaitMessage(apptest.Bounded(t), func(m phones.Message) bool { return m.ID == id && m.Edited && m.Text == "hello!" }); err != nil {
		t.Fatal(err)
	}
	for _, m := range append(bruno.Messages(), own.Messages()...) {
		if m.Chat != own.JID() && m.Chat != bruno.JID() {
			t.Errorf("%q is in the chat %s", m.Text, m.Chat)
		}
	}
}
