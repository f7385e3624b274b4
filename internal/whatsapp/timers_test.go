package whatsapp_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

const (
	day  = 86_400
	week = 604_800
)

// timer waits for the change of a timer.
func (h *hearing) timer(pass ...events.Type) (data events.TimerData) {
	h.t.Helper()
	h.must(json.Unmarshal(h.next(events.TypeTimer, append(pass, events.TypeReceipt)...).Data, &data))
	return data
}

// sets makes a phone set the timer of its chat with somebody, and waits until the session has told of it.
func (h *hearing) sets(phone *sandbox.Phone, to string, seconds uint32) events.TimerData {
	h.t.Helper()
	id := h.send(phone, phones.Outgoing{To: to, Kind: phones.KindTimer, Expiration: seconds})
	data := h.timer()
	if data.ID != id || data.Seconds != int(seconds) || data.Chat != addressOf(h.peer) || data.By != addressOf(phone) || data.FromMe != (phone == h.own) || data.At.IsZero() {
		h.t.Errorf("the setting is told as %+v", data)
	}
	return data
}

// says makes the session send something, and returns it as the peer shows it.
func (h *hearing) says(id, to string, content message.Content) phones.Message {
	h.t.Helper()
	_, err := h.life.client.Send(testContext(h.t), message.Outgoing{ID: id, To: message.Recipient(to), Content: content})
	h.must(err)
	return shows(h.t, h.peer, id, nil)
}

// carries checks that a message carries the timer of its chat.
func carries(t testing.TB, m phones.Message, seconds uint32, at time.Time) {
	t.Helper()
	var set int64
	if !at.IsZero() {
		set = at.Unix()
	}
	if m.Expiration != seconds || m.TimerSetAt != set || m.Stays {
		t.Errorf("%s %s carries a timer of %d set at %d, want %d and %d; it stays: %t", m.Kind, m.ID, m.Expiration, m.TimerSetAt, seconds, set, m.Stays)
	}
}

func TestMessagesCarryTheTimerOfTheirChat(t *testing.T) {
	h := newHearing(t)
	pn, lid := h.peer.JID().String(), h.peer.LID().String()
	carries(t, h.says("NONE", pn, message.TextOf("no timer")), 0, time.Time{})

	set := h.sets(h.peer, h.own.Number(), day) // by the other one
	m := h.says("TEXT", lid, message.TextOf("hello"))
	carries(t, m, day, set.At)
	raw := h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "in return"})
	if data, _ := h.message(events.TypeMessage); data.ID != raw || data.Expires != day {
		t.Errorf("told as %+v", data)
	}
	for id, content := range map[string]message.Content{
		"REPLY":    {Kind: message.KindText, Text: "yes", Quote: &message.Ref{ID: raw}},
		"PLACE":    {Kind: message.KindLocation, Location: &message.Location{Latitude: 1, Longitude: 2}},
		"CARD":     {Kind: message.KindContact, Contacts: []message.Card{{Name: "Ana", VCard: "BEGIN:VCARD\nEND:VCARD"}}},
		"CARDS":    {Kind: message.KindContact, Contacts: []message.Card{{Name: "Ana", VCard: "BEGIN:VCARD\nEND:VCARD"}, {Name: "Bea", VCard: "BEGIN:VCARD\nEND:VCARD"}}},
		"POLL":     {Kind: message.KindPoll, Poll: &message.Poll{Question: "when?", Options: []string{"now", "later"}, Selectable: 1}},
		"MENTIONS": {Kind: message.KindText, Text: "@" + h.peer.Number(), Mentions: []message.Address{{PN: pn}}},
	} {
		carries(t, h.says(id, pn, content), day, set.At)
	}
	for id, change := range map[string]message.Content{
		"REACTION": {Kind: message.KindReaction, Reaction: "👍", Target: &message.Ref{ID: raw}},
		"EDIT":     {Kind: message.KindEdit, Text: "hello!", Target: &message.Ref{ID: "TEXT", FromMe: true}},
		"REVOKE":   {Kind: message.KindRevoke, Target: &message.Ref{ID: "PLACE", FromMe: true}},
	} {
		if got := h.says(id, pn, change); got.Stays {
			t.Errorf("%s is said to stay", id)
		}
	}
	edited := shows(t, h.peer, "TEXT", func(m phones.Message) bool { return m.Edited && m.Text == "hello!" })
	carries(t, edited, day, set.At) // an edited message keeps what it had

	// After a restart, and set by the own phone.
	h.restart()
	carries(t, h.says("RESTART", pn, message.TextOf("again")), day, set.At)
	set = h.sets(h.own, h.peer.Number(), week)
	carries(t, h.says("WEEK", pn, message.TextOf("longer")), week, set.At)
	h.sets(h.peer, h.own.Number(), 0)
	m = h.says("OFF", lid, message.TextOf("for good"))
	carries(t, m, 0, time.Time{})
	h.noSurprises()
}

// restart closes everything in memory and logs the session in again.
func (h *hearing) restart() {
	h.t.Helper()
	h.life.client.Close()
	h.dialer = h.newDialer()
	h.life = h.connected("51")
}

func TestFilesCarryTheTimerOfTheirChat(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	sent, err := o.friend.SendMessage(testContext(t), phones.Outgoing{To: o.own.Number(), Kind: phones.KindTimer, Expiration: day})
	if err != nil {
		t.Fatal(err)
	}
	shows(t, o.own, sent, nil)
	o.heard(t, func(e events.Event) bool { return e.Type == events.TypeTimer })
	for kind, file := range o.files() {
		for _, viewOnce := range []bool{false, true} {
			if viewOnce && kind != message.KindImage && kind != message.KindVoice {
				continue
			}
			media := *file
			media.ViewOnce = viewOnce
			id := o.send(o.toFriend(), message.Content{Kind: kind, Media: &media})
			if m := shows(t, o.friend, id, nil); m.Expiration != day || m.TimerSetAt == 0 || m.Stays {
				t.Errorf("%s (view once: %t) carries %d set at %d; it stays: %t", kind, viewOnce, m.Expiration, m.TimerSetAt, m.Stays)
			}
		}
	}
	o.done()
}

// heard waits until the log has an event.
func (h *house) heard(t *testing.T, is func(events.Event) bool) {
	t.Helper()
	ctx := testContext(t)
	for {
		found, _, err := h.store.Events().Read(ctx, events.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(found, is) {
			return
		}
		select {
		case <-h.store.Events().Appended():
		case <-ctx.Done():
			t.Fatal("the event was never told")
		}
	}
}

func TestGroupsHaveTheTimerThatTheServerSays(t *testing.T) {
	h := newHearing(t)
	ctx, expiration := testContext(t), uint32(day)
	group, err := h.peer.CreateGroup(ctx, phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
	h.must(err)
	to := group.String()
	h.next(events.TypeGroup)
	carries(t, h.says("NONE", to, message.TextOf("no timer")), 0, time.Time{})
	h.must(h.peer.ChangeGroup(ctx, group, phones.GroupChange{Expiration: &expiration}))
	if data := h.timer(events.TypeGroup); data.ID != "" || data.Chat.Group != to || data.By != addressOf(h.peer) || data.FromMe || data.Seconds != day {
		t.Errorf("told as %+v", data)
	}
	carries(t, h.says("DAY", to, message.TextOf("a day")), day, time.Time{})
	// What a member states does not count: the server knows better.
	lie, err := proto.Marshal(stating(7, time.Now().Unix()))
	h.must(err)
	h.send(h.peer, phones.Outgoing{To: to, Kind: phones.KindRaw, Raw: lie})
	h.next(events.TypeMessage, events.TypeReceipt, events.TypeGroup)
	carries(t, h.says("STILL", to, message.TextOf("a day")), day, time.Time{})

	// A change while the process does not run.
	h.life.client.Close()
	expiration = week
	h.must(h.peer.ChangeGroup(ctx, group, phones.GroupChange{Expiration: &expiration}))
	h.dialer = h.newDialer()
	h.life = h.connected("51")
	carries(t, h.says("WEEK", to, message.TextOf("a week")), week, time.Time{})
	expiration = 0
	h.must(h.peer.ChangeGroup(ctx, group, phones.GroupChange{Expiration: &expiration}))
	for _, seconds := range []int{week, 0} {
		if data := h.timer(events.TypeGroup); data.Seconds != seconds {
			t.Errorf("told as %+v, want %d", data, seconds)
		}
	}
	carries(t, h.says("OFF", to, message.TextOf("for good")), 0, time.Time{})
	h.noSurprises()
}

// stating is a text that states a timer.
func stating(seconds uint32, at int64) *waE2E.Message {
	return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("stated"), ContextInfo: &waE2E.ContextInfo{
		Expiration: &seconds, EphemeralSettingTimestamp: &at,
	}}}
}

func TestTheNewestTimerHolds(t *testing.T) {
	h := newHearing(t)
	pn, now := h.peer.JID().String(), time.Now().Unix()
	states := func(m *waE2E.Message) {
		t.Helper()
		raw, err := proto.Marshal(m)
		h.must(err)
		h.send(h.peer, phones.Outgoing{To: h.own.Number(), Kind: phones.KindRaw, Raw: raw})
	}
	heard := func(m *waE2E.Message, seconds int, at int64) {
		t.Helper()
		states(m)
		h.next(events.TypeMessage, events.TypeReceipt)
		data := h.timer()
		if data.Seconds != seconds || data.At.Unix() != at || data.Chat != addressOf(h.peer) || data.FromMe || !data.By.IsZero() {
			t.Errorf("told as %+v, want %d at %d", data, seconds, at)
		}
	}
	silent := func(m *waE2E.Message) {
		t.Helper()
		states(m)
		if m.ProtocolMessage == nil {
			h.next(events.TypeMessage, events.TypeReceipt)
		}
	}
	untimed := &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("no time"), ContextInfo: &waE2E.ContextInfo{Expiration: proto.Uint32(week)}}}
	silent(untimed)
	carries(t, h.says("ZERO", pn, message.TextOf("hello")), 0, time.Time{})
	heard(stating(day, now-100), day, now-100)
	m := h.says("ONE", pn, message.TextOf("hello"))
	carries(t, m, day, time.Unix(now-100, 0))
	silent(stating(week, now-200)) // older
	silent(stating(day, now-90))   // the same, set again
	silent(&waE2E.Message{Conversation: proto.String("from an old client")})
	silent(untimed)
	silent(stating(1<<32-1, now-80))                               // nobody can mean this
	silent(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{ // an older setting that comes late
		Type: waE2E.ProtocolMessage_EPHEMERAL_SETTING.Enum(), EphemeralExpiration: proto.Uint32(week), EphemeralSettingTimestamp: proto.Int64(now - 300),
	}})
	heard(stating(0, now-70), 0, now-70)
	heard(stating(week, now-60), week, now-60)
	// A time that is far ahead would hold for ever.
	states(stating(day, 253402300800))
	h.next(events.TypeMessage, events.TypeReceipt)
	if data := h.timer(); data.Seconds != day || data.At.After(time.Now().Add(time.Minute)) {
		t.Errorf("told as %+v", data)
	}
	// So would one that nobody can mean; it is no setting.
	states(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_EPHEMERAL_SETTING.Enum(), EphemeralExpiration: proto.Uint32(1<<32 - 1), EphemeralSettingTimestamp: proto.Int64(-5),
	}})
	if said, _ := h.message(events.TypeMessage); said.Content.Kind != message.KindUnknown || said.Content.Unknown != "protocolMessage/EPHEMERAL_SETTING" {
		t.Errorf("told as %+v", said)
	}
	if m = h.says("TWO", pn, message.TextOf("hello")); m.Expiration != day {
		t.Errorf("it carries %d", m.Expiration)
	}
	// A setting without a time is as new as its message.
	states(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_EPHEMERAL_SETTING.Enum(), EphemeralExpiration: proto.Uint32(week)}})
	if data := h.timer(); data.Seconds != week || data.At.Unix() < now {
		t.Errorf("told as %+v", data)
	}
	h.noSurprises()
}

func TestAMessageThatIsSentAgainKeepsTheTimerItHad(t *testing.T) {
	h := newHearing(t)
	device := h.link("b", h.peer)
	b := h.connected("b")
	set := h.sets(h.peer, h.own.Number(), day)
	carries(t, h.says("FIRST", h.peer.JID().String(), message.TextOf("hello")), day, set.At)
	_, err := b.client.Send(testContext(t), message.Outgoing{ID: "ANSWER", To: message.Recipient(h.own.LID().String()), Content: message.TextOf("hello")})
	h.must(err) // after an answer messages no longer begin a session
	h.next(events.TypeMessage, events.TypeReceipt)
	b.client.Close()
	_, err = h.store.DB().Exec(testContext(t), "DELETE FROM whatsmeow_sessions WHERE our_jid=$1", device.String())
	h.must(err)
	carries(t, h.says("AGAIN", h.peer.JID().String(), message.TextOf("hello")), day, set.At)
	h.sets(h.peer, h.own.Number(), 0)
	h.connected("b")
	h.heard(t, func(e events.Event) bool {
		var data events.MessageData
		return e.Session == "b" && e.Type == events.TypeMessage && json.Unmarshal(e.Data, &data) == nil && data.ID == "AGAIN" && data.Expires == day
	})
	if h.server.Counters().Retries == 0 {
		t.Error("no message was asked for again")
	}
}

func TestTimersBelongToTheAccountAndSurviveANewLink(t *testing.T) {
	h := newHearing(t)
	set := h.sets(h.peer, h.own.Number(), day)
	other := h.phone()
	pn := h.peer.JID().String()
	relink := func(phone *sandbox.Phone) {
		t.Helper()
		h.must(h.life.client.Unlink(testContext(t)))
		h.life.client.Close()
		h.must(h.dialer.Forget(testContext(t), "51"))
		h.life = h.ready("51", phone)
	}
	relink(other)
	if m := h.says("OTHER", pn, message.TextOf("from another account")); m.Expiration != 0 || m.Stays {
		t.Errorf("it carries %d; it stays: %t", m.Expiration, m.Stays)
	}
	relink(h.own)
	carries(t, h.says("OWN", pn, message.TextOf("from the first account")), day, set.At)
}

func TestATimerThatCannotBeStoredIsDeliveredAgain(t *testing.T) {
	h := newHearing(t)
	_, err := h.store.DB().Exec(testContext(t), "CREATE TRIGGER broken BEFORE INSERT ON wasup_timer BEGIN SELECT RAISE(ABORT, 'no timers'); END")
	h.must(err)
	h.send(h.peer, phones.Outgoing{To: h.own.Number(), Kind: phones.KindTimer, Expiration: day})
	if in := h.life.next(); !strings.Contains(in.Detail, "stored") {
		t.Fatalf("got %+v", in)
	}
	h.life.client.Close()
	_, err = h.store.DB().Exec(testContext(t), "DROP TRIGGER broken")
	h.must(err)
	h.life = h.connected("51")
	if data := h.timer(); data.Seconds != day {
		t.Errorf("told as %+v", data)
	}
	if m := h.says("ONE", h.peer.JID().String(), message.TextOf("hello")); m.Expiration != day {
		t.Errorf("it carries %d", m.Expiration)
	}
}

func TestAGroupThatIsJoinedAgainIsAskedAboutAgain(t *testing.T) {
	h := newHearing(t)
	ctx, expiration := testContext(t), uint32(day)
	group, err := h.peer.CreateGroup(ctx, phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
	h.must(err)
	h.next(events.TypeGroup)
	h.must(h.peer.ChangeGroup(ctx, group, phones.GroupChange{Expiration: &expiration}))
	h.timer(events.TypeGroup)
	carries(t, h.says("DAY", group.String(), message.TextOf("a day")), day, time.Time{})
	h.must(h.peer.ChangeMembers(ctx, group, phones.RemoveMembers, h.own.Number()))
	h.next(events.TypeGroup, events.TypeReceipt)
	expiration = 0
	h.must(h.peer.ChangeGroup(ctx, group, phones.GroupChange{Expiration: &expiration}))
	h.must(h.peer.ChangeMembers(ctx, group, phones.AddMembers, h.own.Number()))
	h.next(events.TypeGroup, events.TypeReceipt)
	carries(t, h.says("OFF", group.String(), message.TextOf("for good")), 0, time.Time{})
	expiration = week
	h.must(h.peer.ChangeGroup(ctx, group, phones.GroupChange{Expiration: &expiration}))
	h.timer(events.TypeGroup, events.TypeReceipt)
	carries(t, h.says("WEEK", group.String(), message.TextOf("a week")), week, time.Time{})
	h.noSurprises()
}

// TestWhatWaitedIsReadBeforeTheFirstSend: a phone that comes back reads first what it has missed.
func TestWhatWaitedIsReadBeforeTheFirstSend(t *testing.T) {
	h := newHearing(t)
	pn := h.peer.JID().String()
	for i, by := range []*sandbox.Phone{h.peer, h.own} {
		h.life.client.Close()
		to, seconds := h.own.Number(), uint32(day)
		if by == h.own {
			to, seconds = h.peer.Number(), week
		}
		for range 40 {
			h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "while you were away"})
		}
		h.send(by, phones.Outgoing{To: to, Kind: phones.KindTimer, Expiration: seconds})
		h.life = h.connected("51")
		if m := h.says("FIRST"+string(rune('A'+i)), pn, message.TextOf("hello")); m.Expiration != seconds || m.Stays {
			t.Errorf("the first message carries %d, want %d; it stays: %t", m.Expiration, seconds, m.Stays)
		}
	}
	h.noSurprises()
}
