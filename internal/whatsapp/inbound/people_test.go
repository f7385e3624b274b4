package inbound

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	eventlog "wasup/internal/events"
	"wasup/internal/message"
)

// asked is a database that counts the statements and the people of whom they ask.
type asked struct{ statements, people int }

func (a *asked) others(_ context.Context, people []types.JID) (map[types.JID]types.JID, error) {
	a.statements++
	a.people += len(people)
	found := map[types.JID]types.JID{}
	for _, person := range people {
		if person.Server == types.HiddenUserServer {
			found[person] = types.NewJID("34"+person.User, types.DefaultUserServer)
		}
	}
	return found, nil
}

func incoming(m *waE2E.Message) *events.Message {
	peer := types.NewJID("1002", types.HiddenUserServer)
	return (&events.Message{
		Info: types.MessageInfo{ID: "3EB0A1", MessageSource: types.MessageSource{
			Chat: peer, Sender: peer, SenderAlt: types.NewJID("34600000002", types.DefaultUserServer),
		}},
		RawMessage: m,
	}).UnwrapRaw()
}

func translated(t *testing.T, translator *Translator, evt any) eventlog.MessageData {
	t.Helper()
	list, ours, err := translator.Translate(context.Background(), evt)
	if !ours || err != nil || len(list) != 1 {
		t.Fatalf("%d events, %t, %v", len(list), ours, err)
	}
	var data eventlog.MessageData
	if err := json.Unmarshal(list[0].Data, &data); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestMentionsAreCutAndLookedUpWithOneStatement(t *testing.T) {
	var names []string
	for i := range 20_000 {
		names = append(names, fmt.Sprintf("%d@lid", 5000+i))
	}
	names[1] = "34600000009@s.whatsapp.net"
	names[2] = names[0]
	names[3] = "nobody"
	translator, db := newTranslator(t, slog.New(slog.DiscardHandler)), &asked{}
	translator.Others = db.others
	data := translated(t, translator, incoming(&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
		Text: proto.String("all of you"), ContextInfo: &waE2E.ContextInfo{MentionedJID: names},
	}}))
	if db.statements != 1 || db.people > message.MaxMentions {
		t.Errorf("%d statements about %d people", db.statements, db.people)
	}
	got := data.Content.Mentions
	if len(got) != message.MaxMentions-1 || got[0] != (message.Address{LID: "5000@lid", PN: "345000@s.whatsapp.net"}) ||
		got[1] != (message.Address{PN: "34600000009@s.whatsapp.net"}) || got[2] != got[0] {
		t.Errorf("%d mentions, the first are %v", len(got), got[:3])
	}
}

func TestThousandsOfMembersAreLookedUpWithOneStatement(t *testing.T) {
	var members []types.JID
	for i := range 2000 {
		members = append(members, types.NewJID(fmt.Sprint(5000+i), types.HiddenUserServer))
	}
	translator, db := newTranslator(t, slog.New(slog.DiscardHandler)), &asked{}
	translator.Others = db.others
	group := types.NewJID("120363", types.GroupServer)
	list, _, err := translator.Translate(context.Background(), &events.GroupInfo{JID: group, Join: members, Promote: members})
	if err != nil || len(list) != 2 || db.statements != 1 {
		t.Errorf("%d events, %v, %d statements", len(list), err, db.statements)
	}
}

func TestAReceiptAboutThousandsOfMessagesIsSeveralEvents(t *testing.T) {
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprint("3EB0", i))
	}
	peer := types.NewJID("1002", types.HiddenUserServer)
	receipt := &events.Receipt{MessageSource: types.MessageSource{Chat: peer, Sender: peer}, Type: types.ReceiptTypeRead, MessageIDs: ids}
	list, _, err := newTranslator(t, slog.New(slog.DiscardHandler)).Translate(context.Background(), receipt)
	if err != nil {
		t.Fatal(err)
	}
	var got, keys []string
	for _, event := range list {
		if len(event.Receipt.IDs) > maxReceipts {
			t.Errorf("%d messages in one event", len(event.Receipt.IDs))
		}
		got, keys = append(got, event.Receipt.IDs...), append(keys, event.Key)
	}
	if slices.Sort(keys); !slices.Equal(got, ids) || len(slices.Compact(keys)) != len(list) {
		t.Errorf("%d ids in %d events", len(got), len(list))
	}
}
