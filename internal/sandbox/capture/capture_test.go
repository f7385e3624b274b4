package capture

import (
	"context"
	"errors"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

var device = types.NewJID("34600111222", types.DefaultUserServer)

func all[T any](*T) bool { return true }

func TestTheNewestEntriesAreKept(t *testing.T) {
	log := New()
	node := &waBinary.Node{Tag: "message", Attrs: waBinary.Attrs{"id": "A"}}
	for i := range maxEntries + 10 {
		log.Stanza(device, node, []byte{0, byte(i)})
	}
	kept := log.Stanzas(all)
	if len(kept) != maxEntries || kept[0].Number != 11 || kept[len(kept)-1].Number != maxEntries+10 {
		t.Fatalf("%d are kept, from %d", len(kept), kept[0].Number)
	}
	if last := kept[len(kept)-1]; last.ID != "A" || last.Tag != "message" || last.Device != device {
		t.Errorf("kept %+v", last)
	}
}

func TestTheBytesAreBounded(t *testing.T) {
	log := New()
	for range 2 * maxBytes / maxEntry {
		log.Plaintext(Plaintext{ID: "A", Data: make([]byte, maxEntry)})
	}
	log.Plaintext(Plaintext{ID: "too large", Data: make([]byte, maxEntry+1)})
	kept := log.Plaintexts(all)
	if len(kept) != maxBytes/maxEntry || kept[len(kept)-1].ID != "A" {
		t.Errorf("%d are kept", len(kept))
	}
}

func TestAnEntryDoesNotChangeWithTheBufferThatItCameIn(t *testing.T) {
	log, buffer := New(), []byte{0, 1}
	log.Stanza(device, &waBinary.Node{Tag: "message"}, buffer)
	log.Plaintext(Plaintext{Data: buffer})
	buffer[1] = 9
	if log.Stanzas(all)[0].Data[1] != 1 || log.Plaintexts(all)[0].Data[1] != 1 {
		t.Error("the entry has the new bytes")
	}
}

func TestWaitEndsWithAnEntryOrItsContext(t *testing.T) {
	log := New()
	done := make(chan error, 1)
	go func() {
		done <- log.Wait(t.Context(), func() bool { return len(log.Plaintexts(all)) == 2 })
	}()
	log.Plaintext(Plaintext{})
	log.Plaintext(Plaintext{})
	if err := <-done; err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := log.Wait(ended, func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
