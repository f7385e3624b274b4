package whatsapp

import (
	"crypto/sha256"
	"fmt"
	"sync"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/session"
)

// giveUpAfter is how many times in a row the handling of a stanza may fail. WhatsApp delivers a stanza that was not
// acknowledged after each login, before all later ones, so it would keep its session from receiving for good.
const giveUpAfter = 3

// maxFailures bounds the stanzas whose failures are counted. A run ends at its first failure, so there are few.
const maxFailures = 4096

// failures counts how often in a row the handling of stanzas has failed, over all runs of the process.
type failures struct {
	mu     sync.Mutex
	counts map[stanzaKey]int
}

// stanzaKey distinguishes a stanza of a session from all others. A repeated delivery has the same key.
type stanzaKey [sha256.Size]byte

func keyOf(id session.ID, node *waBinary.Node) stanzaKey {
	attr := node.Attrs
	return sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%v\x00%v\x00%v\x00%v", id, node.Tag, attr["type"], attr["from"], attr["participant"], attr["id"]))
}

func (f *failures) of(key stanzaKey) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[key]
}

// add counts a failure and returns how many there are now.
func (f *failures) add(key stanzaKey) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = make(map[stanzaKey]int)
	}
	if len(f.counts) >= maxFailures {
		for other := range f.counts {
			delete(f.counts, other)
			break
		}
	}
	f.counts[key]++
	return f.counts[key]
}

func (f *failures) forget(key stanzaKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.counts, key)
}
