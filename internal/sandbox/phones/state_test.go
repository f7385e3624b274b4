package phones

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/network"
)

func TestAPhoneThatRestoresTooManyMessagesForgetsTheOldest(t *testing.T) {
	n := network.New(network.Config{Log: slog.New(slog.DiscardHandler), MediaHost: func() string { return "" }})
	phone := func() *Phone {
		p, err := New(Config{}, n)
		if err != nil {
			t.Fatal(err)
		}
		if err = n.Dir.Add(p.Account, p.NameAfterNumber); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ana, bea := phone(), phone()
	for i := range maxMessages + 1 {
		raw, err := json.Marshal(messageState{
			Message: Message{ID: fmt.Sprint(i)}, By: bea.Account.LID, Chat: groups.Chat{Account: bea.Account}.State(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err = ana.RestoreMessage(raw); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := ana.find(bea.Account, "0"); known || len(ana.messages) != maxMessages || len(ana.byID) != maxMessages {
		t.Errorf("the oldest is known: %v; %d messages, %d by id", known, len(ana.messages), len(ana.byID))
	}
	if _, known := ana.find(bea.Account, "1"); !known {
		t.Error("the oldest but one is not known")
	}
}
