package app

import (
	"encoding/json"
	"slices"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/sandbox/phones"
)

func TestAVoteOnAPollOfOursNamesWhatWasChosen(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	id := h.sent(`{"to":"` + bruno.Number() + `","poll":{"question":"When?","options":["today","tomorrow","never"],"selectable":2}}`)
	arrived(t, bruno, id, phones.StatusRead)
	votes := [][]string{{"today", "never"}, {"tomorrow"}, nil}
	vote := func(options []string) {
		if _, err := bruno.SendMessage(apptest.Bounded(t), phones.Outgoing{To: ana.Number(), Kind: phones.KindVote, Target: id, Options: options}); err != nil {
			t.Fatal(err)
		}
	}
	vote(votes[0])
	h.Logged(t, "1", events.TypePollVote, 1)
	h = h.reopen() // the options must come from the database
	h.ready(1)
	for _, options := range votes[1:] {
		vote(options)
	}
	for i, event := range h.Logged(t, "1", events.TypePollVote, len(votes)) {
		var data events.MessageData
		if err := json.Unmarshal(event.Data, &data); err != nil || data.Content == nil || data.Content.Target == nil {
			t.Fatalf("%s: %v", event.Data, err)
		}
		if said := data.Content; !slices.Equal(said.Options, votes[i]) || said.Target.ID != id || !said.Target.FromMe || said.Unknown != "" {
			t.Errorf("vote %d: %s, want %q", i, event.Data, votes[i])
		}
	}
}
