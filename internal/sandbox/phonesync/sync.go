// Package phonesync is a phone's view of its account's app state: it makes the keys, reads what devices changed, and
// makes patches of its own. What an entry means to people is not its business.
package phonesync

import (
	"bytes"
	"compress/gzip"
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
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/syncd"
)

// Owner is the phone of a Sync.
type Owner interface {
	// SendPeer sends one of the account's devices a message for the client, which people do not see, and returns its id.
	SendPeer(dev *accounts.Device, content *waE2E.ProtocolMessage) (string, error)
	// Apply applies a change that concerns the phone itself.
	Apply(m syncd.Mutation)
	// Wake wakes everyone who waits for a change.
	Wake()
}

// Result is a part of the answer to a device's request.
type Result = waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult

// Sync has the keys and the decrypted entries of an account's app state.
type Sync struct {
	net     *network.Network
	account *accounts.Account
	owner   Owner

	mu sync.Mutex
	// keys are all keys so far, the newest last.
	keys    []syncd.Key
	known   map[string]*syncd.Collection
	entries map[string]*Entry
}

// New returns the app state of an account without entries.
func New(net *network.Network, account *accounts.Account, owner Owner) *Sync {
	return &Sync{net: net, account: account, owner: owner}
}

// Entry is one entry of the app state, as the phone reads it.
type Entry struct {
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

	// Action is the entry as the protocol has it.
	Action *waSyncAction.SyncActionValue
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
func (s *Sync) collection(name string) *syncd.Collection {
	if s.known == nil {
		s.known, s.entries = make(map[string]*syncd.Collection), make(map[string]*Entry)
	}
	if s.known[name] == nil {
		s.known[name] = &syncd.Collection{Name: name}
	}
	return s.known[name]
}

// forget replaces a collection by an empty one and returns that. The caller holds the lock.
func (s *Sync) forget(name string) *syncd.Collection {
	delete(s.known, name)
	maps.DeleteFunc(s.entries, func(_ string, entry *Entry) bool { return entry.Collection == name })
	return s.collection(name)
}

func entryName(collection string, index []string) string {
	return collection + "\x00" + strings.Join(index, "\x00")
}

// Has reports whether there is an entry with this index.
func (s *Sync) Has(collection string, index ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[entryName(collection, index)] != nil
}

// updateEntry updates the entries by one mutation. The caller holds the lock.
func (s *Sync) updateEntry(collection string, version uint64, device uint16, m syncd.Mutation) {
	name := entryName(collection, m.Index)
	if m.Remove {
		delete(s.entries, name)
		return
	}
	value, err := protojson.Marshal(m.Value)
	if err != nil {
		// A text that is not UTF-8: the entry exists but cannot be shown.
		value = []byte("{}")
	}
	s.entries[name] = &Entry{
		Collection: collection, Index: m.Index, Value: value, Version: version, Device: device,
		Time: time.UnixMilli(m.Value.GetTimestamp()), Action: m.Value,
	}
}

// Receive reads what a device changed.
func (s *Sync) Receive(d accounts.Delivery) {
	for _, changed := range d.Node.GetChildrenByTag("collection") {
		s.mu.Lock()
		done, err := s.catchUp(stanza.Attr(&changed, "name"))
		s.mu.Unlock()
		if err != nil {
			s.net.Log.Warn("phone could not read app state", "collection", stanza.Attr(&changed, "name"), "err", err)
		}
		for _, change := range done {
			s.owner.Apply(change)
		}
	}
	s.owner.Wake()
}

// catchUp applies the patches that the phone does not have yet and returns the mutations. The caller holds the lock.
// Patches that cannot be read are counted and skipped.
func (s *Sync) catchUp(name string) ([]syncd.Mutation, error) {
	c := s.collection(name)
	patches, ok := s.net.AppStates.Of(s.account).PatchesSince(name, c.Version)
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
			if patch, err = s.net.AppStates.WithExternal(patch); err == nil {
				patch.Version = version
			}
		}
		if err != nil {
			return changes, errors.Join(append(failed, err)...)
		}
		read, err := c.Apply(patch, s.lookup)
		if err != nil {
			s.net.Observer.Count(func(n *observe.Counters) { n.SyncErrors++ })
			failed = append(failed, err)
		}
		for _, m := range read {
			s.updateEntry(name, c.Version, stored.Device, m)
		}
		changes = append(changes, read...)
	}
	return changes, errors.Join(failed...)
}

// Change makes a patch of mutations and pushes it to the server.
func (s *Sync) Change(collection string, mutations ...syncd.Mutation) error {
	s.mu.Lock()
	done, err := s.makePatch(collection, mutations)
	s.mu.Unlock()
	for _, change := range done {
		s.owner.Apply(change)
	}
	s.owner.Wake()
	return err
}

// makePatch pushes a patch. It returns all mutations since the phone's last look, its own included. The caller holds
// the lock.
func (s *Sync) makePatch(collection string, mutations []syncd.Mutation) ([]syncd.Mutation, error) {
	if len(s.keys) == 0 {
		s.newKey()
	}
	key := s.keys[len(s.keys)-1]
	var changes []syncd.Mutation
	for range syncTries {
		done, err := s.catchUp(collection)
		changes = append(changes, done...)
		if err != nil {
			s.net.Log.Warn("phone could not read app state", "collection", collection, "err", err)
		}
		c := s.collection(collection)
		patch, err := c.Encode(key, mutations, time.Now().UnixMilli())
		if err != nil {
			return changes, fmt.Errorf("sandbox: encoding app state: %w", err)
		}
		if proto.Size(patch) > externalSize {
			ref, err := s.net.AppStates.UploadSync(s.account.Number, &waServerSync.SyncdMutations{Mutations: patch.Mutations})
			if err != nil {
				return changes, fmt.Errorf("sandbox: uploading app state: %w", err)
			}
			patch.Mutations, patch.ExternalMutations = nil, ref
		}
		_, err = s.net.AppStates.Push(accounts.Origin{Account: s.account}, collection, c.Version, patch)
		if errors.Is(err, appstate.ErrConflict) {
			continue
		}
		if err != nil {
			return changes, fmt.Errorf("sandbox: changing app state: %w", err)
		}
		done, err = s.catchUp(collection)
		return append(changes, done...), err
	}
	return changes, fmt.Errorf("sandbox: changing app state: %w", appstate.ErrConflict)
}

// Entries lists the entries of the account's app state, ordered by collection and index.
func (s *Sync) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := make([]Entry, 0, len(s.entries))
	for _, entry := range s.entries {
		entries = append(entries, *entry)
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return strings.Compare(entryName(a.Collection, a.Index), entryName(b.Collection, b.Index))
	})
	return entries
}

// Recover returns a decrypted collection for a device that could not read it.
func (s *Sync) Recover(name string) ([]*Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.catchUp(name); err != nil {
		return nil, err
	}
	_, records := s.net.AppStates.Of(s.account).Entries(name)
	plain, err := syncd.Open(records, s.lookup)
	if err != nil {
		return nil, err
	}
	c := s.collection(name)
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
	return []*Result{{SyncdSnapshotFatalRecoveryResponse: &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_SyncDSnapshotFatalRecoveryResponse{
		CollectionSnapshot: packed.Bytes(), IsCompressed: proto.Bool(true),
	}}}, nil
}

// Reset deletes the app state. The keys stay.
func (s *Sync) Reset() {
	s.mu.Lock()
	s.known, s.entries = nil, nil
	s.net.AppStates.Of(s.account).Clear()
	s.mu.Unlock()
}
