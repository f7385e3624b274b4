package whatsapp

import (
	"strconv"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/whatsapp/stanzas"
)

func TestAClientCanBeSlimmed(t *testing.T) {
	wa := whatsmeow.NewClient(&store.Device{}, nil)
	if !slim(wa) {
		t.Error("whatsmeow keeps the messages it sent elsewhere now: idle clients are large again, unless slim follows")
	}
}

func TestEveryHandlerOfStanzasIsGuarded(t *testing.T) {
	wa := whatsmeow.NewClient(&store.Device{}, nil)
	wrapped := 0
	if !guardHandlers(wa, func(_ string, handle stanzas.Handler) stanzas.Handler {
		wrapped++
		return handle
	}) {
		t.Error("whatsmeow keeps its handlers elsewhere now: their panics end the process and their order is lost, unless guardHandlers follows")
	}
	if wrapped < 10 {
		t.Errorf("%d handlers were wrapped", wrapped)
	}
}

func TestListsOfDevicesCanBeDropped(t *testing.T) {
	if !dropDeviceLists(whatsmeow.NewClient(&store.Device{}, nil), types.NewJID("1", types.HiddenUserServer)) {
		t.Error("whatsmeow keeps its lists of devices elsewhere now: new devices miss messages, unless dropDeviceLists follows")
	}
}

func TestAListThatWhatsAppNeverConfirmsIsRequestedOnce(t *testing.T) {
	s, chat := &sending{}, types.NewJID("1", types.GroupServer)
	if s.settle(chat, "2:theirs", "2:ours"); s.disputed[chat] != "2:theirs" {
		t.Error("the hash is not remembered")
	}
	if s.settle(chat, "2:same", "2:same"); len(s.disputed) != 0 {
		t.Error("a dispute that ended is remembered")
	}
	for i := range 2 * maxDisputed {
		s.settle(types.NewJID(strconv.Itoa(i), types.GroupServer), "2:theirs", "2:ours")
	}
	if len(s.disputed) > maxDisputed {
		t.Errorf("%d chats are remembered", len(s.disputed))
	}
}
