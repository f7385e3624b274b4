package interop_test

import (
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// chose waits until a phone shows that voter chose an option of a poll.
func chose(t *testing.T, phone *sandbox.Phone, poll, option string, voter types.JID) {
	t.Helper()
	_, err := phone.WaitMessage(within(t), func(m phones.Message) bool {
		return m.ID == poll && m.Poll != nil && slices.ContainsFunc(m.Poll.Options, func(o phones.PollOption) bool {
			return o.Name == option && slices.Contains(o.Voters, voter)
		})
	})
	if err != nil {
		t.Fatalf("%s does not see the vote for %q: %v", phone.Name(), option, err)
	}
}

func TestPollsAndVotesGoBothWays(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	ana, bruno, carla := newPhone(t, server, "Ana"), newPhone(t, server, "Bruno"), newPhone(t, server, "Carla")
	node := start(t)
	node.pair(server, ana)
	gopher := newPeer(t, server, bruno)
	options := []string{"today", "tomorrow", "never"}

	t.Run("a poll of Baileys", func(t *testing.T) {
		poll := node.send("poll", map[string]any{"to": bruno.LID().String(), "text": "when?", "options": options, "count": 1})
		got := await(gopher, func(m *events.Message) bool { return m.Info.ID == poll })
		vote, err := gopher.cli.BuildPollVote(within(t), &got.Info, []string{"tomorrow"})
		must(t, err)
		gopher.send(got.Info.Chat, vote)
		node.await("vote", func(one told) bool { return one.message() == poll && one.Text == "tomorrow" })
		chose(t, bruno, poll, "tomorrow", bruno.JID())
		chose(t, ana, poll, "tomorrow", bruno.JID())
	})
	t.Run("a poll of whatsmeow", func(t *testing.T) {
		poll := gopher.send(ana.LID(), gopher.cli.BuildPollCreation("and you?", options, 1))
		node.await("message", func(one told) bool { return one.message() == poll })
		node.do("vote", map[string]any{"to": bruno.LID().String(), "message": poll, "options": []string{"never"}})
		got := await(gopher, func(m *events.Message) bool {
			return m.Message.GetPollUpdateMessage().GetPollCreationMessageKey().GetID() == poll
		})
		choice, err := gopher.cli.DecryptPollVote(within(t), got)
		must(t, err)
		if len(choice.GetSelectedOptions()) != 1 {
			t.Errorf("whatsmeow reads %v", choice)
		}
		chose(t, bruno, poll, "never", ana.JID())
		chose(t, ana, poll, "never", ana.JID())
	})
	t.Run("a poll of a phone", func(t *testing.T) {
		poll, err := carla.SendMessage(within(t), phones.Outgoing{To: ana.Number(), Kind: phones.KindPoll, Text: "or not?", Options: options})
		must(t, err)
		node.await("message", func(one told) bool { return one.message() == poll })
		node.do("vote", map[string]any{"to": carla.LID().String(), "message": poll, "options": []string{"today", "never"}})
		chose(t, carla, poll, "today", ana.JID())
		chose(t, carla, poll, "never", ana.JID())
		_, err = carla.SendMessage(within(t), phones.Outgoing{To: ana.Number(), Kind: phones.KindVote, Target: poll, Options: []string{"tomorrow"}})
		must(t, err)
		node.await("vote", func(one told) bool { return one.message() == poll && one.Text == "tomorrow" })
	})
}
