package whatsapp

import (
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"

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
	if !guardHandlers(wa, func(handle stanzas.Handler) stanzas.Handler {
		wrapped++
		return handle
	}) {
		t.Error("whatsmeow keeps its handlers elsewhere now: their panics end the process and their order is lost, unless guardHandlers follows")
	}
	if wrapped < 10 {
		t.Errorf("%d handlers were wrapped", wrapped)
	}
}
