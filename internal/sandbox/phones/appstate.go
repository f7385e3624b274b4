package phones

import (
	"context"
	"encoding/json"
	"fmt"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/phonesync"
	"wasup/internal/sandbox/syncd"
)

// AppStateEntry is one entry of the app state, as the phone reads it.
type AppStateEntry = phonesync.Entry

// appState shows the phone's app state to the phone's owner.
type appState struct {
	*handset

	journal *journal
	sync    *phonesync.Sync
}

// AppState lists the entries of the account's app state, ordered by collection and index.
func (p *appState) AppState() []AppStateEntry { return p.sync.Entries() }

// WaitAppState waits until the app state has an entry that matches, and returns it. It fails with ErrRemoved or the
// error of ctx.
func (p *appState) WaitAppState(ctx context.Context, match func(AppStateEntry) bool) (AppStateEntry, error) {
	for {
		changed := p.journal.next()
		for _, entry := range p.AppState() {
			if match(entry) {
				return entry, nil
			}
		}
		select {
		case <-changed:
		case <-p.removed:
			return AppStateEntry{}, ErrRemoved
		case <-ctx.Done():
			return AppStateEntry{}, fmt.Errorf("sandbox: waiting for app state: %w", ctx.Err())
		}
	}
}

// RestoreSync restores the account's app state and has the phone read it again.
func (p *appState) RestoreSync(byName map[string]json.RawMessage) error {
	return p.sync.Restore(byName)
}

// syncOwner is the phone as its app state sees it.
type syncOwner struct {
	*handset

	journal *journal
	sender  *sender
}

// SendPeer sends one of the account's devices a message for the client.
func (p *syncOwner) SendPeer(dev *accounts.Device, content *waE2E.ProtocolMessage) (string, error) {
	return p.sender.sendPeer(dev, content)
}

// Wake wakes everyone who waits for a change.
func (p *syncOwner) Wake() { p.journal.Wake() }

// Apply applies a change that concerns the phone itself: its name, or a chat that was read.
func (p *syncOwner) Apply(m syncd.Mutation) {
	switch m.Index[0] {
	case indexPushName:
		if name := m.Value.GetPushNameSetting().GetName(); name != "" && len(name) <= MaxName {
			p.name.Store(&name)
		}
	case indexRead:
		if len(m.Index) > 1 && m.Value.GetMarkChatAsReadAction().GetRead() {
			p.readElsewhere(m.Index[1])
		}
	}
}

// readElsewhere marks a chat as read that a device has read. The device has sent the receipts itself.
func (p *syncOwner) readElsewhere(name string) {
	in, err := p.Net.Groups.Chat(name)
	if err != nil {
		return
	}
	p.journal.markChatRead(in)
}
