package sandbox_test

import (
	"fmt"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// chunk waits for one part of the history.
func (d *device) chunk(from int, kind waHistorySync.HistorySync_HistorySyncType) *waHistorySync.HistorySync {
	d.t.Helper()
	return wait(d, from, func(e *events.HistorySync) bool { return e.Data.GetSyncType() == kind }).Data
}

// texts returns the texts of a conversation, newest first.
func texts(c *waHistorySync.Conversation) []string {
	var all []string
	for _, m := range c.GetMessages() {
		all = append(all, m.GetMessage().GetMessage().GetConversation())
	}
	return all
}

// conversationOf returns the messages of one chat.
func conversationOf(part *waHistorySync.HistorySync, jid types.JID) *waHistorySync.Conversation {
	for _, c := range part.GetConversations() {
		if c.GetID() == jid.String() {
			return c
		}
	}
	return nil
}

// chatting makes two phones exchange texts and waits until both have all of them.
func chatting(t *testing.T, from, to *sandbox.Phone, texts ...string) []string {
	t.Helper()
	ctx := testContext(t)
	var ids []string
	for _, text := range texts {
		id, err := from.SendText(ctx, to.Number(), text)
		must(t, err)
		_, err = to.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == id })
		must(t, err)
		ids = append(ids, id)
	}
	return ids
}

func numbered(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("text %d", i))
	}
	return all
}

func TestANewDeviceGetsTheHistoryOfItsPhone(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, err := server.AddPhone(phones.Config{Name: "Ana"})
	must(t, err)
	bruno, err := server.AddPhone(phones.Config{Name: "Bruno"})
	must(t, err)
	ctx := testContext(t)
	ids := chatting(t, bruno, ana, numbered(15)...)
	own := chatting(t, ana, bruno, "an answer")[0]
	_, err = bruno.SendMessage(ctx, phones.Outgoing{To: ana.Number(), Kind: phones.KindReaction, Target: own, Text: "👍"})
	must(t, err)
	_, err = bruno.SendMessage(ctx, phones.Outgoing{To: ana.Number(), Kind: phones.KindEdit, Target: ids[14], Text: "edited"})
	must(t, err)
	_, err = bruno.SendMessage(ctx, phones.Outgoing{To: ana.Number(), Kind: phones.KindRevoke, Target: ids[13]})
	must(t, err)
	_, err = ana.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == ids[13] && m.Revoked })
	must(t, err)
	group := server.MakeGroup("Turno de noche", ana, bruno)
	in, err := bruno.SendText(ctx, group.String(), "in the group")
	must(t, err)
	_, err = ana.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == in })
	must(t, err)
	yes := true
	must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Pinned: &yes}))

	d := newDevice(t, server)
	from := d.mark()
	d.pair(ana)

	first := d.chunk(from, waHistorySync.HistorySync_INITIAL_BOOTSTRAP)
	c := conversationOf(first, bruno.LID())
	if c == nil || len(c.GetMessages()) != 10 || c.GetPinned() == 0 || c.GetPnJID() != bruno.JID().String() || c.GetEndOfHistoryTransfer() {
		t.Fatalf("the chat is %v", c)
	}
	newest := c.GetMessages()[0].GetMessage()
	if newest.GetMessage().GetConversation() != "an answer" || !newest.GetKey().GetFromMe() || len(newest.GetReactions()) != 1 ||
		newest.GetReactions()[0].GetText() != "👍" || newest.GetStatus() != waWeb.WebMessageInfo_READ {
		t.Errorf("the newest message is %v", newest)
	}
	if second := c.GetMessages()[1].GetMessage(); second.GetMessage().GetConversation() != "edited" || second.GetPushName() != "Bruno" {
		t.Errorf("the edited message is %v", second)
	}
	if third := c.GetMessages()[2].GetMessage(); third.GetMessageStubType() != waWeb.WebMessageInfo_REVOKE || third.GetMessage() != nil {
		t.Errorf("the message that was taken back is %v", third)
	}
	g := conversationOf(first, group)
	if g == nil || g.GetName() != "Turno de noche" || len(g.GetParticipant()) != 2 || g.GetMessages()[0].GetMessage().GetParticipant() != bruno.LID().String() {
		t.Errorf("the group is %v", g)
	}
	names := d.chunk(from, waHistorySync.HistorySync_PUSH_NAME).GetPushnames()
	if !slices.ContainsFunc(names, func(n *waHistorySync.Pushname) bool {
		return n.GetID() == bruno.LID().String() && n.GetPushname() == "Bruno"
	}) {
		t.Errorf("the names are %v", names)
	}
	recent := d.chunk(from, waHistorySync.HistorySync_RECENT)
	if got := texts(conversationOf(recent, bruno.LID())); !slices.Equal(got, []string{"text 5", "text 4", "text 3", "text 2", "text 1", "text 0"}) {
		t.Errorf("the rest is %v", got)
	}
	if last := d.chunk(from, waHistorySync.HistorySync_NON_BLOCKING_DATA); last.GetProgress() != 100 {
		t.Errorf("the last part is %v", last)
	}
	// The client has stored the mapping from phone numbers to hidden ids that came with the history.
	lid, err := d.cli.Store.LIDs.GetLIDForPN(ctx, bruno.JID())
	must(t, err)
	if lid != bruno.LID() {
		t.Errorf("the client takes %s for %s", lid, bruno.JID())
	}
	// The client can parse each message like one that has just arrived.
	parsed, err := d.cli.ParseWebMessage(bruno.LID(), recent.GetConversations()[0].GetMessages()[0].GetMessage())
	must(t, err)
	if parsed.Info.ID != ids[5] || parsed.Info.Sender != bruno.LID() || parsed.Message.GetConversation() != "text 5" {
		t.Errorf("a message reads as %+v", parsed.Info)
	}
	if got := server.Counters().HistoryChunks; got != 4 {
		t.Errorf("%d parts, expected 4", got)
	}
}

func TestAFileInTheHistoryCanBeDownloaded(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	ctx := testContext(t)
	id, err := bruno.SendMessage(ctx, phones.Outgoing{To: ana.Number(), Kind: phones.KindImage, Media: &phones.Attachment{Data: []byte("a picture")}})
	must(t, err)
	_, err = ana.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == id })
	must(t, err)
	d := newDevice(t, server)
	d.pair(ana)
	message := d.chunk(0, waHistorySync.HistorySync_INITIAL_BOOTSTRAP).GetConversations()[0].GetMessages()[0].GetMessage()
	got, err := d.cli.Download(ctx, message.GetMessage().GetImageMessage())
	must(t, err)
	if string(got) != "a picture" {
		t.Errorf("downloaded %q", got)
	}
}

func TestAPollInTheHistoryHasItsVotesAndItsSecret(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	ctx := testContext(t)
	poll, err := bruno.SendMessage(ctx, phones.Outgoing{To: ana.Number(), Kind: phones.KindPoll, Text: "when?", Options: []string{"now", "later"}})
	must(t, err)
	_, err = bruno.SendMessage(ctx, phones.Outgoing{To: ana.Number(), Kind: phones.KindVote, Target: poll, Options: []string{"now"}})
	must(t, err)
	_, err = ana.WaitMessage(ctx, func(m phones.Message) bool { return m.Kind == phones.KindVote })
	must(t, err)
	d := newDevice(t, server)
	d.pair(ana)
	message := d.chunk(0, waHistorySync.HistorySync_INITIAL_BOOTSTRAP).GetConversations()[0].GetMessages()[0].GetMessage()
	if len(message.GetPollUpdates()) != 1 || len(message.GetPollUpdates()[0].GetVote().GetSelectedOptions()) != 1 {
		t.Fatalf("the poll is %v", message)
	}
	// With the poll's secret from the history the client can vote.
	info := &types.MessageInfo{ID: poll, MessageSource: types.MessageSource{Chat: bruno.LID(), Sender: bruno.LID()}}
	// The client stores the data of the history in parallel with the event.
	eventually(t, func() bool {
		secret, _, err := d.cli.Store.MsgSecrets.GetMessageSecret(ctx, bruno.LID(), bruno.LID(), poll)
		must(t, err)
		return secret != nil
	})
	vote, err := d.cli.BuildPollVote(ctx, info, []string{"later"})
	must(t, err)
	_, err = d.cli.SendMessage(ctx, bruno.LID(), vote)
	must(t, err)
	_, err = bruno.WaitMessage(ctx, func(m phones.Message) bool {
		return m.ID == poll && slices.ContainsFunc(m.Poll.Options, func(o phones.PollOption) bool {
			return o.Name == "later" && slices.Contains(o.Voters, ana.JID())
		})
	})
	must(t, err)
}

// registering guards the global variable that contains the history options of whatsmeow's clients.
func registering(t *testing.T, change func(*waCompanionReg.DeviceProps)) {
	t.Helper()
	before := proto.Clone(store.DeviceProps).(*waCompanionReg.DeviceProps)
	change(store.DeviceProps)
	t.Cleanup(func() { proto.Reset(store.DeviceProps); proto.Merge(store.DeviceProps, before) })
}

// Not parallel: the client properties are a global variable.
func TestADeviceThatAsksForAllGetsAllInFiles(t *testing.T) {
	registering(t, func(p *waCompanionReg.DeviceProps) {
		p.RequireFullSync, p.HistorySyncConfig.InlineInitialPayloadInE2EeMsg = proto.Bool(true), proto.Bool(false)
	})
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, phones.ScriptSilent)
	ctx := testContext(t)
	var last string
	for i := range 2600 {
		id, err := ana.SendText(ctx, bruno.Number(), fmt.Sprintf("text %d", i))
		must(t, err)
		last = id
	}
	_, err := bruno.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == last })
	must(t, err)
	d := newDevice(t, server)
	d.cli.ManualHistorySyncDownload = true
	d.pair(ana)
	feed := map[waE2E.HistorySyncType]int{}
	sum := 0
	for order := uint32(1); ; order++ {
		told := wait(d, 0, func(e *events.Message) bool {
			return e.Message.GetProtocolMessage().GetHistorySyncNotification().GetChunkOrder() == order
		})
		note := told.Message.GetProtocolMessage().GetHistorySyncNotification()
		if note.GetInitialHistBootstrapInlinePayload() != nil {
			t.Error("a part travelled in the message")
		}
		part, err := d.cli.DownloadHistorySync(ctx, note, true)
		must(t, err)
		feed[note.GetSyncType()]++
		for _, c := range part.GetConversations() {
			sum += len(c.GetMessages())
		}
		if note.GetProgress() == 100 {
			break
		}
	}
	if sum != 2600 || feed[waE2E.HistorySyncType_RECENT] != 4 || feed[waE2E.HistorySyncType_FULL] != 2 {
		t.Errorf("%d messages in %v", sum, feed)
	}
}
