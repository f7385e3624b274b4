package whatsapp_test

import (
	"slices"
	"testing"

	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// written is a phone whose number people also write otherwise.
func (h *house) written(number string, others ...string) *sandbox.Phone {
	h.t.Helper()
	phone, err := h.server.AddPhone(phones.Config{Number: number, Aliases: others})
	if err != nil {
		h.t.Fatal(err)
	}
	return phone
}

func byNumber(number string) message.Recipient { return message.Recipient(number + "@s.whatsapp.net") }

// connected opens a run of a session that is linked.
func (h *house) connected(id session.ID) *life {
	h.t.Helper()
	l := h.open(id)
	l.expect(session.SocketUp)
	return l
}

// sendText sends a text and returns the error.
func (l *life) sendText(id, to, text string) error {
	_, err := l.client.Send(testContext(l.t), message.Outgoing{ID: id, To: byNumber(to), Content: message.TextOf(text)})
	return err
}

func TestANumberThatWhatsAppWritesOtherwiseIsReached(t *testing.T) {
	for name, spelling := range map[string]struct{ number, other string }{
		"Brazil, the ninth digit too many":    {"551187654321", "5511987654321"},
		"Brazil, the ninth digit left out":    {"5511987654322", "551187654322"},
		"Argentina, without the 9":            {"5491155550101", "541155550101"},
		"Argentina, with a 9 too many":        {"541155550102", "5491155550102"},
		"Mexico, without the 1":               {"5215512345678", "525512345678"},
		"Mexico, with a 1 too many":           {"525512345679", "5215512345679"},
		"a country that nobody has a rule of": {"99912345678", "9990012345678"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, sandbox.Config{})
			friend, own := h.written(spelling.number, spelling.other), h.phone()
			l := h.ready("a", own)
			if err := l.sendText("FIRST", spelling.other, "before a check"); err != nil {
				t.Fatal(err)
			}
			shows(t, friend, "FIRST", nil)
			got, err := l.client.CheckContacts(testContext(t), []string{spelling.other})
			if err != nil || !got[0].OnWhatsApp || got[0].Address != address(friend) {
				t.Fatalf("the check says %+v, %v", got, err)
			}
			if err = l.sendText("SECOND", spelling.other, "after a check"); err != nil {
				t.Fatal(err)
			}
			if err = l.sendText("THIRD", spelling.number, "as WhatsApp writes it"); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"SECOND", "THIRD"} {
				if m := shows(t, friend, id, nil); m.Chat != own.JID() {
					t.Errorf("%s is in the chat %s", id, m.Chat)
				}
				if m := shows(t, own, id, nil); m.Chat != friend.JID() {
					t.Errorf("on the own phone %s is in the chat %s", id, m.Chat)
				}
			}
			h.noSurprises()
		})
	}
}

func TestACheckBeforeASendDoesNotSpoilIt(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	l := h.ready("a", h.phone())
	const number, other = "551187654321", "5511987654321"
	got, err := l.client.CheckContacts(testContext(t), []string{other, number})
	if err != nil || got[0].OnWhatsApp || got[1].OnWhatsApp {
		t.Fatalf("nobody has it yet: %+v, %v", got, err)
	}
	wantCode(t, l.sendText("EARLY", other, "nobody"), session.CodeNotOnWhatsApp)
	friend := h.written(number, other)
	if err = l.sendText("ONE", other, "hello"); err != nil {
		t.Fatal(err)
	}
	shows(t, friend, "ONE", nil)
	if got, err = l.client.CheckContacts(testContext(t), []string{other}); err != nil || got[0].Address != address(friend) {
		t.Fatalf("the check says %+v, %v", got, err)
	}
	h.noSurprises()
}

func TestTheAddressOfANumberIsRemembered(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	friend, own := h.written("551187654321", "5511987654321"), h.phone()
	l := h.ready("a", own)
	if _, err := l.client.CheckContacts(testContext(t), []string{"5511987654321"}); err != nil {
		t.Fatal(err)
	}
	l.client.Close()
	stored, err := h.store.Aliases().AliasesOf(testContext(t), "5511987654321", friend.Number())
	if err != nil || len(stored) != 1 || stored["5511987654321"] != address(friend) {
		t.Fatalf("remembered is %+v, %v", stored, err)
	}
	h.dialer = h.newDialer() // what was in memory is gone
	l = h.connected("a")
	if err = l.sendText("ONE", "5511987654321", "hello"); err != nil {
		t.Fatal(err)
	}
	shows(t, friend, "ONE", nil)

	// The account goes, and somebody else gets the number as people write it.
	l.client.Close()
	if err = h.server.RemovePhone(friend.Number()); err != nil {
		t.Fatal(err)
	}
	heir := h.written("5511987654321")
	l = h.connected("a")
	if err = l.sendText("TWO", "5511987654321", "hello"); err != nil {
		t.Fatal(err)
	}
	shows(t, heir, "TWO", nil)
	if stored, err = h.store.Aliases().AliasesOf(testContext(t), "5511987654321"); err != nil || len(stored) != 0 {
		t.Errorf("remembered is still %+v, %v", stored, err)
	}
	h.noSurprises()
}

func TestALookUpThatIsRefusedForAWhileIsNoAnswer(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	friend, other := h.written("551187654321", "5511987654321"), h.phone()
	l := h.ready("a", h.phone())
	fault := h.fault(faults.Fault{Kind: faults.RefuseIQ, Code: 429, Match: "usync", Count: 1})
	err := l.sendText("ONE", "5511987654321", "hello")
	wantCode(t, err, session.CodeSendFailed)
	if failure := message.FailureOf(err); failure.Status != 429 {
		t.Errorf("it failed with %+v: the message would not be sent again", failure)
	}
	h.server.ClearFault(fault)
	if err = l.sendText("ONE", "5511987654321", "hello"); err != nil {
		t.Fatal(err)
	}
	shows(t, friend, "ONE", nil)
	// A number that is written as WhatsApp writes it needs no look-up.
	h.fault(faults.Fault{Kind: faults.RefuseIQ, Code: 429, Match: "usync", Count: 1})
	if err = l.sendText("TWO", other.Number(), "hello"); err != nil {
		t.Fatal(err)
	}
	shows(t, other, "TWO", nil)
	h.noSurprises()
}

func TestEverywhereANumberMayBeWrittenOtherwise(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	friend, own := h.written("551187654321", "5511987654321"), h.written("5491155550101", "541155550101")
	l := h.ready("a", own)
	feed, stop := h.server.Subscribe()
	defer stop()
	spelled := message.Address{PN: "5511987654321@s.whatsapp.net"}
	if err := l.client.SetChatState(testContext(t), byNumber("5511987654321"), message.ChatTyping); err != nil {
		t.Fatal(err)
	}
	if e := until(t, feed, observe.EventChatState); e.Account != friend.Number() {
		t.Errorf("typing was shown as %+v", e)
	}
	theirs, err := friend.SendText(testContext(t), own.Number(), "read me")
	if err != nil {
		t.Fatal(err)
	}
	if err = l.client.MarkRead(testContext(t), message.ReadMark{Chat: byNumber("5511987654321"), IDs: []string{theirs}}); err != nil {
		t.Fatal(err)
	}
	shows(t, friend, theirs, func(m phones.Message) bool { return m.Status == phones.StatusRead })

	for _, addressing := range []string{"lid", "pn"} {
		group, err := friend.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{own.Number()}, Addressing: addressing})
		if err != nil {
			t.Fatal(err)
		}
		to := message.Recipient(group.String())
		send := func(id string, content message.Content) {
			t.Helper()
			if _, err := l.client.Send(testContext(t), message.Outgoing{ID: id, To: to, Content: content}); err != nil {
				t.Fatal(err)
			}
		}
		theirs, err := friend.SendGroupText(testContext(t), group, "hello")
		if err != nil {
			t.Fatal(err)
		}
		mention := "MENTION " + addressing
		send(mention, message.Content{
			Kind: message.KindText, Text: "@5511987654321, not @55119876543210 and again @5511987654321", Mentions: []message.Address{spelled},
			Quote: &message.Ref{ID: theirs, Sender: spelled, Text: "hello"},
		})
		m := shows(t, friend, mention, nil)
		if m.Text != "@551187654321, not @55119876543210 and again @551187654321" || !slices.Equal(m.Mentions, append(m.Mentions[:0:0], friend.JID())) {
			t.Errorf("%s: the mention is %q of %v", addressing, m.Text, m.Mentions)
		}
		if m.Quote == nil || !m.Quote.Found {
			t.Errorf("%s: the quote is %+v", addressing, m.Quote)
		}
		send("REACTION "+addressing, message.Content{Kind: message.KindReaction, Reaction: "👍", Target: &message.Ref{ID: theirs, Sender: spelled}})
		shows(t, friend, theirs, func(m phones.Message) bool { return len(m.Reactions) == 1 })
		// The own number, too.
		send("OWN "+addressing, message.Content{Kind: message.KindEdit, Text: "edited", Target: &message.Ref{
			ID: mention, Sender: message.Address{PN: "541155550101@s.whatsapp.net"},
		}})
		shows(t, friend, mention, func(m phones.Message) bool { return m.Edited && m.Text == "edited" })
		mark := message.ReadMark{Chat: to, Sender: spelled, IDs: []string{theirs}}
		if err := l.client.MarkRead(testContext(t), mark); err != nil {
			t.Fatal(err)
		}
		shows(t, friend, theirs, func(m phones.Message) bool { return m.Status == phones.StatusRead })
	}
	h.noSurprises()
}

// TestAnAccountThatWasMadeAgainIsReached: it has another LID and other devices, and WhatsApp tells nobody.
func TestAnAccountThatWasMadeAgainIsReached(t *testing.T) {
	const number, other = "551187654321", "5511987654321"
	for name, next := range map[string]struct {
		number, other string
		tried         bool // before the account exists again
	}{
		"with the same number":                     {number, other, false},
		"with the same number, after a try":        {number, other, true},
		"with the other spelling of it":            {other, number, false},
		"with the other spelling, after tries too": {other, number, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, sandbox.Config{})
			friend := h.written(number, other)
			l := h.ready("a", h.phone())
			for _, to := range []string{number, other} {
				if err := l.sendText("TO "+to, to, "hello"); err != nil {
					t.Fatal(err)
				}
			}
			byLID := func() error {
				out := message.Outgoing{ID: "LID", To: message.Recipient(friend.LID().String()), Content: message.TextOf("hello")}
				_, err := l.client.Send(testContext(t), out)
				return err
			}
			if err := h.server.RemovePhone(number); err != nil {
				t.Fatal(err)
			}
			if next.tried {
				wantCode(t, byLID(), session.CodeNotOnWhatsApp)
				for _, to := range []string{number, other, number} {
					wantCode(t, l.sendText("GONE "+to, to, "hello"), session.CodeNotOnWhatsApp)
				}
			}
			heir := h.written(next.number, next.other)
			for _, round := range []string{"AGAIN ", "AND AGAIN "} {
				for _, to := range []string{number, other} {
					if err := l.sendText(round+to, to, "hello"); err != nil {
						t.Fatalf("%s%s: %v", round, to, err)
					}
					shows(t, heir, round+to, nil)
				}
			}
			wantCode(t, byLID(), session.CodeNotOnWhatsApp)
			h.noSurprises()
		})
	}
}
