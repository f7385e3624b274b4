package whatsapp

import (
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
)

func TestAClientCanBeSlimmed(t *testing.T) {
	wa := whatsmeow.NewClient(&store.Device{}, nil)
	if !slim(wa) {
		t.Error("whatsmeow keeps the messages it sent elsewhere now: idle clients are large again, unless slim follows")
	}
}
