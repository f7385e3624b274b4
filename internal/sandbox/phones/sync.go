package phones

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/proto/waSyncdSnapshotRecovery"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/appstate"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/syncd"
)

// phoneSync is a phone's view of its account's app state: the keys and the decrypted entries.
type phoneSync struct {
	*handset

	journal *journal
	sender  *sender

	mu sync.Mutex
	// keys are all keys so far, the newest last.
	keys    []syncd.Key
	known   map[string]*syncd.Collection
	entries map[string]*AppStateEntry
}

// AppStateEntry is one entry of the app state, as the phone reads it.
type AppStateEntry struct {
	// Collection is critical_block, critical_unblock_low, regular_high, regular or regular_low.
	Collection string
	// Index is the kind of the entry and what it is about, such as ["pin_v1","104857600000001@lid"].
	Index []string
	// Value is the entry as JSON, with the protocol's field names.
	Value json.RawMessage
	// Version is the version of the collection in which the entry came. Device is the device that set it; 0 is the
	// phone.
	Version uint64
	Device  uint16
	Time    time.Time

	action *waSyncAction.SyncActionValue
}

const (
	syncKeySize = 32
	// maxSyncKeys bounds how many keys a phone makes. Old keys are kept, because entries may be encrypted with any of
	// them.
	maxSyncKeys = 256
	// externalSize is the size of a patch, in bytes, above which a phone puts its mutations into a file.
	externalSize = 32 << 10
	// syncTries is how often a phone tries to make a patch if devices are faster.
	syncTries = 10
)

// collection returns the phone's state of a collection, creating an empty one. The caller holds the lock.
func (p *phoneSync) collection(name string) *syncd.Collection {
	if p.known == nil {
		p.known, p.entries = make(map[string]*syncd.Collection), make(map[string]*AppStateEntry)
	}
	if p.known[name] == nil {
		p.known[name] = &syncd.Collection{Name: name}
	}
	return p.known[name]
}

// forget replaces a collection by an empty one and returns that. The caller holds the lock.
func (p *phoneSync) forget(name string) *syncd.Collection {
	delete(p.known, name)
	maps.DeleteFunc(p.entries, func(_ string, entry *AppStateEntry) bool { return entry.Collection == name })
	return p.collection(name)
}

func entryName(collection string, index []string) string {
	return collection + "\x00" + strings.Join(index, "\x00")
}

// has reports whether there is an entry with this index.
func (p *phoneSync) has(collection string, index ...string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entries[entryName(collection, index)] != nil
}

// updateEntry updates the entries by one mutation. The caller holds the lock.
func (p *phoneSync) updateEntry(collection string, version uint64, device uint16, m syncd.Mutation) {
	name := entryName(collection, m.Index)
	if m.Remove {
		delete(p.entries, name)
		return
	}
	value, err := protojson.Marshal(m.Value)
	if err != nil {
		// A text that is not UTF-8: the entry exists but cannot be shown.
		value = []byte("{}")
	}
	p.entries[name] = &AppStateEntry{
		Collection: collection, Index: m.Index, Value: value, Version: version, Device: device,
		Time: time.UnixMilli(m.Value.GetTimestamp()), action: m.Value,
	}
}

// receiveSync reads what a device changed.
func (p *phoneSync) receiveSync(d accounts.Delivery) {
	for _, changed := range d.Node.GetChildrenByTag("collection") {
		p.mu.Lock()
		done, err := p.catchUp(stanza.Attr(&changed, "name"))
		p.mu.Unlock()
		if err != nil {
			p.Net.Log.Warn("phone could not read app state", "collection", stanza.Attr(&changed, "name"), "err", err)
		}
		for _, change := range done {
			p.applyToPhone(change)
		}
	}
	p.journal.Wake()
}

// catchUp applies the patches that the phone does not have yet and returns the mutations. The caller holds the lock.
// Patches that cannot be read are counted and skipped.
func (p *phoneSync) catchUp(name string) ([]syncd.Mutation, error) {
	c := p.collection(name)
	patches, ok := p.Net.AppStates.Of(p.Account).PatchesSince(name, c.Version)
	if !ok {
		return nil, fmt.Errorf("sandbox: the patches after %d are gone", c.Version)
	}
	var changes []syncd.Mutation
	var failed []error
	for _, stored := range patches {
		patch := new(waServerSync.SyncdPatch)
		err := proto.Unmarshal(stored.Raw, patch)
		if err == nil {
			version := patch.GetVersion()
			if patch, err = p.Net.AppStates.WithExternal(patch); err == nil {
				patch.Version = version
			}
		}
		if err != nil {
			return changes, errors.Join(append(failed, err)...)
		}
		read, err := c.Apply(patch, p.lookup)
		if err != nil {
			p.Net.Observer.Count(func(n *observe.Counters) { n.SyncErrors++ })
			failed = append(failed, err)
		}
		for _, m := range read {
			p.updateEntry(name, c.Version, stored.Device, m)
		}
		changes = append(changes, read...)
	}
	return changes, errors.Join(failed...)
}

// applyToPhone applies a change that concerns the phone itself: its name, or a chat that was read.
func (p *phoneSync) applyToPhone(m syncd.Mutation) {
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
func (p *phoneSync) readElsewhere(name string) {
	in, err := p.Net.Groups.Chat(name)
	if err != nil {
		return
	}
	p.journal.markChatRead(in)
}

// change makes a patch of mutations and pushes it to the server.
func (p *phoneSync) change(collection string, mutations ...syncd.Mutation) error {
	p.mu.Lock()
	done, err := p.makePatch(collection, mutations)
	p.mu.Unlock()
	for _, change := range done {
		p.applyToPhone(change)
	}
	p.journal.Wake()
	return err
}

// makePatch pushes a patch. It returns all mutations since the phone's last look, its own included. The caller holds
// the lock.
func (p *phoneSync) makePatch(collection string, mutations []syncd.Mutation) ([]syncd.Mutation, error) {
	if len(p.keys) == 0 {
		p.newKey()
	}
	key := p.keys[len(p.keys)-1]
	var changes []syncd.Mutation
	for range syncTries {
		done, err := p.catchUp(collection)
		changes = append(changes, done...)
		if err != nil {
			p.Net.Log.Warn("phone could not read app state", "collection", collection, "err", err)
		}
		c := p.collection(collection)
		patch, err := c.Encode(key, mutations, time.Now().UnixMilli())
		if err != nil {
			return changes, fmt.Errorf("sandbox: encoding app state: %w", err)
		}
		if proto.Size(patch) > externalSize {
			ref, err := p.Net.AppStates.UploadSync(p.Account.Number, &waServerSync.SyncdMutations{Mutations: patch.Mutations})
			if err != nil {
				return changes, fmt.Errorf("sandbox: uploading app state: %w", err)
			}
			patch.Mutations, patch.ExternalMutations = nil, ref
		}
		_, err = p.Net.AppStates.Push(accounts.Origin{Account: p.Account}, collection, c.Version, patch)
		if errors.Is(err, appstate.ErrConflict) {
			continue
		}
		if err != nil {
			return changes, fmt.Errorf("sandbox: changing app state: %w", err)
		}
		done, err = p.catchUp(collection)
		return append(changes, done...), err
	}
	return changes, fmt.Errorf("sandbox: changing app state: %w", appstate.ErrConflict)
}

// AppState lists the entries of the account's app state, ordered by collection and index.
func (p *phoneSync) AppState() []AppStateEntry {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries := make([]AppStateEntry, 0, len(p.entries))
	for _, entry := range p.entries {
		entries = append(entries, *entry)
	}
	slices.SortFunc(entries, func(a, b AppStateEntry) int {
		return strings.Compare(entryName(a.Collection, a.Index), entryName(b.Collection, b.Index))
	})
	return entries
}

// WaitAppState waits until the app state has an entry that matches, and returns it. It fails with ErrRemoved or the
// error of ctx.
func (p *phoneSync) WaitAppState(ctx context.Context, match func(AppStateEntry) bool) (AppStateEntry, error) {
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

// recover returns a decrypted collection for a device that could not read it.
func (p *phoneSync) recover(name string) ([]*peerResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.catchUp(name); err != nil {
		return nil, err
	}
	_, records := p.Net.AppStates.Of(p.Account).Entries(name)
	plain, err := syncd.Open(records, p.lookup)
	if err != nil {
		return nil, err
	}
	c := p.collection(name)
	snapshot := &waSyncdSnapshotRecovery.SyncdSnapshotRecovery{
		Version: &waSyncdSnapshotRecovery.SyncdVersion{Version: &c.Version}, CollectionName: &name, CollectionLthash: c.Hash(),
	}
	for _, record := range plain {
		snapshot.MutationRecords = append(snapshot.MutationRecords, &waSyncdSnapshotRecovery.SyncdPlainTextRecord{Value: record.Data, KeyID: record.KeyID, Mac: record.MAC})
	}
	encoded, err := proto.Marshal(snapshot)
	if err != nil {
		return nil, fmt.Errorf("sandbox: encoding app state: %w", err)
	}
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err = writer.Write(encoded)
	if err = errors.Join(err, writer.Close()); err != nil {
		return nil, fmt.Errorf("sandbox: compressing app state: %w", err)
	}
	return []*peerResult{{SyncdSnapshotFatalRecoveryResponse: &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_SyncDSnapshotFatalRecoveryResponse{
		CollectionSnapshot: packed.Bytes(), IsCompressed: proto.Bool(true),
	}}}, nil
}

// reset deletes the app state. The keys stay.
func (p *phoneSync) reset() {
	p.mu.Lock()
	p.known, p.entries = nil, nil
	p.Net.AppStates.Of(p.Account).Clear()
	p.mu.Unlock()
}
