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

// phoneSync is what a phone knows of its account's app state: the keys and, through them, what is in it.
type phoneSync struct {
	*handset

	journal *journal
	sender  *sender

	mu sync.Mutex
	// keys are all there were, the newest last.
	keys    []syncd.Key
	known   map[string]*syncd.Collection
	entries map[string]*AppStateEntry
}

// AppStateEntry is one entry of the app state, as the phone reads it.
type AppStateEntry struct {
	// Collection is critical_block, critical_unblock_low, regular_high, regular or regular_low.
	Collection string
	// Index says what the entry is and what it is about, such as ["pin_v1","104857600000001@lid"].
	Index []string
	// Value is the entry as JSON, as the protocol names its fields.
	Value json.RawMessage
	// Version is that of the collection in which the entry came, Device who set it, 0 being the phone.
	Version uint64
	Device  uint16
	Time    time.Time

	action *waSyncAction.SyncActionValue
}

const (
	syncKeySize = 32
	// maxSyncKeys bounds how often a phone changes its key: entries may be under any of them.
	maxSyncKeys = 256
	// externalSize is from how many bytes on a phone puts the mutations of a patch into a file.
	externalSize = 32 << 10
	// syncTries is how often a phone makes a patch anew because a device was faster.
	syncTries = 10
)

// collection finds what the phone knows of a collection. The caller holds the lock.
func (p *phoneSync) collection(name string) *syncd.Collection {
	if p.known == nil {
		p.known, p.entries = make(map[string]*syncd.Collection), make(map[string]*AppStateEntry)
	}
	if p.known[name] == nil {
		p.known[name] = &syncd.Collection{Name: name}
	}
	return p.known[name]
}

// forget begins a collection anew. The caller holds the lock.
func (p *phoneSync) forget(name string) *syncd.Collection {
	delete(p.known, name)
	maps.DeleteFunc(p.entries, func(_ string, entry *AppStateEntry) bool { return entry.Collection == name })
	return p.collection(name)
}

func entryName(collection string, index []string) string {
	return collection + "\x00" + strings.Join(index, "\x00")
}

// has says whether there is an entry.
func (p *phoneSync) has(collection string, index ...string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entries[entryName(collection, index)] != nil
}

// note enters what a patch changed. The caller holds the lock.
func (p *phoneSync) note(collection string, version uint64, device uint16, m syncd.Mutation) {
	name := entryName(collection, m.Index)
	if m.Remove {
		delete(p.entries, name)
		return
	}
	value, err := protojson.Marshal(m.Value)
	if err != nil {
		// Text that is no UTF-8: the entry is there, and cannot be shown.
		value = []byte("{}")
	}
	p.entries[name] = &AppStateEntry{
		Collection: collection, Index: m.Index, Value: value, Version: version, Device: device,
		Time: time.UnixMilli(m.Value.GetTimestamp()), action: m.Value,
	}
}

// receiveSync takes in what a device changed.
func (p *phoneSync) receiveSync(d accounts.Delivery) {
	for _, changed := range d.Node.GetChildrenByTag("collection") {
		p.mu.Lock()
		done, err := p.catchUp(stanza.Attr(&changed, "name"))
		p.mu.Unlock()
		if err != nil {
			p.Net.Log.Warn("phone could not read app state", "collection", stanza.Attr(&changed, "name"), "err", err)
		}
		for _, change := range done {
			p.heed(change)
		}
	}
	p.journal.Wake()
}

// catchUp applies the patches that the phone does not have yet and returns what they changed. The caller holds the
// lock. Patches that cannot be read are counted and passed over.
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
			p.note(name, c.Version, stored.Device, m)
		}
		changes = append(changes, read...)
	}
	return changes, errors.Join(failed...)
}

// heed does what a change means for the phone itself.
func (p *phoneSync) heed(m syncd.Mutation) {
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

// readElsewhere notes that a device has read a chat: it told the senders itself.
func (p *phoneSync) readElsewhere(name string) {
	in, err := p.Net.Groups.Chat(name)
	if err != nil {
		return
	}
	p.journal.markChatRead(in)
}

// change makes a patch and gives it to the server.
func (p *phoneSync) change(collection string, mutations ...syncd.Mutation) error {
	p.mu.Lock()
	done, err := p.makePatch(collection, mutations)
	p.mu.Unlock()
	for _, change := range done {
		p.heed(change)
	}
	p.journal.Wake()
	return err
}

// makePatch returns what has changed since the phone looked last, its own changes included. The caller holds the lock.
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

// AppState lists what is in the account's app state as the phone reads it, by collection and index.
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

// WaitAppState waits until the app state has an entry that matches.
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

// recover gives a device a collection of app state in plain, which it could not make sense of.
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

// reset forgets what is in the app state; the keys stay.
func (p *phoneSync) reset() {
	p.mu.Lock()
	p.known, p.entries = nil, nil
	p.Net.AppStates.Of(p.Account).Clear()
	p.mu.Unlock()
}
