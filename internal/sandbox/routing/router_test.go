package routing_test

import (
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/observe"
)

func TestTypingIsShownByThoseWhoMayWrite(t *testing.T) {
	k := newTalk(t)
	feed, stop := k.net.Observer.Subscribe()
	defer stop()
	shown := func(from *accounts.Account) (events int) {
		k.net.Router.RouteChatState(accounts.Origin{Account: from}, k.group.JID, []waBinary.Node{{Tag: "composing"}})
		// Events come in order, so all of them are there once this one is.
		k.net.Observer.Emit(observe.Event{Kind: observe.EventPhone})
		for event := range feed {
			if event.Kind == observe.EventPhone {
				break
			}
			events++
		}
		return events
	}
	if n := shown(k.stranger); n != 0 {
		t.Errorf("%d members saw one type who is not in the group", n)
	}
	if n := shown(k.bea); n != 1 {
		t.Errorf("%d members saw a member type", n)
	}
	if err := k.net.Groups.SetSwitch(k.group, k.ana, "announcement"); err != nil {
		t.Fatal(err)
	}
	for range feed {
		break // the change of the group
	}
	if n := shown(k.bea); n != 0 {
		t.Errorf("%d members saw one type who may not write", n)
	}
	if n := shown(k.ana); n != 1 {
		t.Errorf("%d members saw the admin type", n)
	}
}
