package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/binary"
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

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"

	"wasup/internal/sandbox/syncd"
)

// phoneSync is what a phone knows of its account's app state: the keys and, through them, what is in it.
type phoneSync struct {
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

// lookup finds a key. The caller holds the lock.
func (y *phoneSync) lookup(id []byte) (syncd.Key, bool) {
	i := slices.IndexFunc(y.keys, func(k syncd.Key) bool { return string(k.ID) == string(id) })
	if i < 0 {
		return syncd.Key{}, false
	}
	return y.keys[i], true
}

// newKey makes a key and uses it from now on. The caller holds the lock.
func (y *phoneSync) newKey() syncd.Key {
	key := syncd.Key{ID: make([]byte, 2, 6), Data: make([]byte, syncKeySize), Time: time.Now().UnixMilli()}
	_, _ = rand.Read(key.Data)
	// The device that made it, the phone being 0, and the number of the key.
	key.ID = binary.BigEndian.AppendUint32(key.ID, uint32(len(y.keys)+1))
	y.keys = append(y.keys, key)
	return key
}

// collection finds what the phone knows of a collection. The caller holds the lock.
func (y *phoneSync) collection(name string) *syncd.Collection {
	if y.known == nil {
		y.known, y.entries = make(map[string]*syncd.Collection), make(map[string]*AppStateEntry)
	}
	if y.known[name] == nil {
		y.known[name] = &syncd.Collection{Name: name}
	}
	return y.known[name]
}

// forget begins a collection anew. The caller holds the lock.
func (y *phoneSync) forget(name string) *syncd.Collection {
	delete(y.known, name)
	maps.DeleteFunc(y.entries, func(_ string, entry *AppStateEntry) bool { return entry.Collection == name })
	return y.collection(name)
}

func entryName(collection string, index []string) string {
	return collection + "\x00" + strings.Join(index, "\x00")
}

// note enters what a patch changed. The caller holds the lock.
func (y *phoneSync) note(collection string, version uint64, device uint16, m syncd.Mutation) {
	name := entryName(collection, m.Index)
	if m.Remove {
		delete(y.entries, name)
		return
	}
	value, err := protojson.Marshal(m.Value)
	if err != nil {
		// Text that is no UTF-8: the entry is there, and cannot be shown.
		value = []byte("{}")
	}
	y.entries[name] = &AppStateEntry{
		Collection: collection, Index: m.Index, Value: value, Version: version, Device: device,
		Time: time.UnixMilli(m.Value.GetTimestamp()), action: m.Value,
	}
}

// receiveSync takes in what a device changed.
func (p *Phone) receiveSync(d delivery) {
	for _, changed := range d.node.GetChildrenByTag("collection") {
		p.sync.mu.Lock()
		done, err := p.catchUp(attr(&changed, "name"))
		p.sync.mu.Unlock()
		if err != nil {
			p.srv.log.Warn("phone could not read app state", "collection", attr(&changed, "name"), "err", err)
		}
		for _, change := range done {
			p.heed(change)
		}
	}
	p.mu.Lock()
	p.notify()
	p.mu.Unlock()
}

// catchUp applies the patches that the phone does not have yet and returns what they changed. The caller holds the
// lock. Patches that cannot be read are counted and passed over.
func (p *Phone) catchUp(name string) ([]syncd.Mutation, error) {
	c := p.sync.collection(name)
	state := &p.account.state
	state.mu.Lock()
	patches, ok := state.get(name).since(c.Version)
	patches = slices.Clone(patches)
	state.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("sandbox: the patches after %d are gone", c.Version)
	}
	var changes []syncd.Mutation
	var failed []error
	for _, stored := range patches {
		patch := new(waServerSync.SyncdPatch)
		err := proto.Unmarshal(stored.raw, patch)
		if err == nil {
			version := patch.GetVersion()
			if patch, err = p.srv.withExternal(patch); err == nil {
				patch.Version = version
			}
		}
		if err != nil {
			return changes, errors.Join(append(failed, err)...)
		}
		read, err := c.Apply(patch, p.sync.lookup)
		if err != nil {
			p.srv.stats.add(func(n *Counters) { n.SyncErrors++ })
			failed = append(failed, err)
		}
		for _, m := range read {
			p.sync.note(name, c.Version, stored.device, m)
		}
		changes = append(changes, read...)
	}
	return changes, errors.Join(failed...)
}

// heed does what a change means for the phone itself.
func (p *Phone) heed(m syncd.Mutation) {
	switch m.Index[0] {
	case indexPushName:
		if name := m.Value.GetPushNameSetting().GetName(); name != "" && len(name) <= maxName {
			p.name.Store(&name)
		}
	case indexRead:
		if len(m.Index) > 1 && m.Value.GetMarkChatAsReadAction().GetRead() {
			p.readElsewhere(m.Index[1])
		}
	}
}

// readElsewhere notes that a device has read a chat: it told the senders itself.
func (p *Phone) readElsewhere(name string) {
	in, err := p.srv.chat(name)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, message := range p.messages {
		if message.chat == in && message.Status == StatusReceived {
			message.Status = StatusRead
		}
	}
	p.notify()
}

// change makes a patch and gives it to the server.
func (p *Phone) change(collection string, mutations ...syncd.Mutation) error {
	p.sync.mu.Lock()
	done, err := p.makePatch(collection, mutations)
	p.sync.mu.Unlock()
	for _, change := range done {
		p.heed(change)
	}
	p.mu.Lock()
	p.notify()
	p.mu.Unlock()
	return err
}

// makePatch returns what has changed since the phone looked last, its own changes included. The caller holds the lock.
func (p *Phone) makePatch(collection string, mutations []syncd.Mutation) ([]syncd.Mutation, error) {
	if len(p.sync.keys) == 0 {
		p.sync.newKey()
	}
	key := p.sync.keys[len(p.sync.keys)-1]
	var changes []syncd.Mutation
	for range syncTries {
		done, err := p.catchUp(collection)
		changes = append(changes, done...)
		if err != nil {
			p.srv.log.Warn("phone could not read app state", "collection", collection, "err", err)
		}
		c := p.sync.collection(collection)
		patch, err := c.Encode(key, mutations, time.Now().UnixMilli())
		if err != nil {
			return changes, fmt.Errorf("sandbox: encoding app state: %w", err)
		}
		if proto.Size(patch) > externalSize {
			ref, err := p.srv.uploadSync(p.account.number, &waServerSync.SyncdMutations{Mutations: patch.Mutations})
			if err != nil {
				return changes, fmt.Errorf("sandbox: uploading app state: %w", err)
			}
			patch.Mutations, patch.ExternalMutations = nil, ref
		}
		_, err = p.srv.push(origin{account: p.account}, collection, c.Version, patch)
		if errors.Is(err, errSyncConflict) {
			continue
		}
		if err != nil {
			return changes, fmt.Errorf("sandbox: changing app state: %w", err)
		}
		done, err = p.catchUp(collection)
		return append(changes, done...), err
	}
	return changes, fmt.Errorf("sandbox: changing app state: %w", errSyncConflict)
}

// shareKeys gives a device keys of app state: all, or those that it asks for.
func (p *Phone) shareKeys(dev *device, wanted func(syncd.Key) bool) error {
	p.sync.mu.Lock()
	var keys []*waE2E.AppStateSyncKey
	for _, key := range p.sync.keys {
		if !wanted(key) {
			continue
		}
		keys = append(keys, &waE2E.AppStateSyncKey{
			KeyID: &waE2E.AppStateSyncKeyId{KeyID: key.ID},
			KeyData: &waE2E.AppStateSyncKeyData{
				KeyData: key.Data, Timestamp: proto.Int64(key.Time),
				Fingerprint: &waE2E.AppStateSyncKeyFingerprint{RawID: &p.account.rawID, CurrentIndex: &dev.keyIndex, DeviceIndexes: []uint32{0, dev.keyIndex}},
			},
		})
	}
	p.sync.mu.Unlock()
	_, err := p.sendPeer(dev, &waE2E.ProtocolMessage{
		Type:                 waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum(),
		AppStateSyncKeyShare: &waE2E.AppStateSyncKeyShare{Keys: keys},
	})
	return err
}

// greet gives a newly linked device what it needs to take part: the keys of app state, and the phone's history.
func (p *Phone) greet(dev *device) {
	if dev == nil || dev.greeted.Load() {
		return
	}
	if err := p.beginSync(); err != nil {
		p.srv.log.Warn("phone could not begin app state", "err", err)
	}
	dev.greeted.Store(true)
	if _, withheld := p.srv.fault(FaultWithholdSyncKeys, dev); !withheld {
		if err := p.shareKeys(dev, func(syncd.Key) bool { return true }); err != nil {
			p.srv.log.Warn("phone could not share its keys", "err", err)
		}
	}
	p.sendHistory(dev)
}

// renewKey changes the key when a device was unlinked, which must not read what is changed from now on.
func (p *Phone) renewKey() {
	p.sync.mu.Lock()
	if len(p.sync.keys) == 0 || len(p.sync.keys) >= maxSyncKeys {
		p.sync.mu.Unlock()
		return
	}
	newest := p.sync.newKey()
	p.sync.mu.Unlock()
	for _, dev := range p.srv.dir.devicesOf(p.account) {
		if !dev.greeted.Load() {
			continue
		}
		if _, withheld := p.srv.fault(FaultWithholdSyncKeys, dev); withheld {
			continue
		}
		if err := p.shareKeys(dev, func(k syncd.Key) bool { return string(k.ID) == string(newest.ID) }); err != nil {
			p.srv.log.Warn("phone could not share its new key", "err", err)
		}
	}
}

// AppState lists what is in the account's app state as the phone reads it, by collection and index.
func (p *Phone) AppState() []AppStateEntry {
	p.sync.mu.Lock()
	defer p.sync.mu.Unlock()
	entries := make([]AppStateEntry, 0, len(p.sync.entries))
	for _, entry := range p.sync.entries {
		entries = append(entries, *entry)
	}
	slices.SortFunc(entries, func(a, b AppStateEntry) int {
		return strings.Compare(entryName(a.Collection, a.Index), entryName(b.Collection, b.Index))
	})
	return entries
}

// WaitAppState waits until the app state has an entry that matches.
func (p *Phone) WaitAppState(ctx context.Context, match func(AppStateEntry) bool) (AppStateEntry, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		for _, entry := range p.AppState() {
			if match(entry) {
				return entry, nil
			}
		}
		select {
		case <-changed:
		case <-p.removed:
			return AppStateEntry{}, ErrPhoneRemoved
		case <-ctx.Done():
			return AppStateEntry{}, fmt.Errorf("sandbox: waiting for app state: %w", ctx.Err())
		}
	}
}

// sendPeer sends a device of the account something that is for the client, not for people.
func (p *Phone) sendPeer(dev *device, content *waE2E.ProtocolMessage) (string, error) {
	plain, err := proto.Marshal(&waE2E.Message{ProtocolMessage: content})
	if err != nil {
		return "", fmt.Errorf("sandbox: encoding a peer message: %w", err)
	}
	p.sending.Lock()
	defer p.sending.Unlock()
	id, to := newMessageID(), p.account.lidJID(dev.id)
	p.keep(id, sentMessage{chat: chat{account: p.account}, stanza: typePeer, plain: plain, copied: plain, peer: true})
	enc, err := p.encrypt(to, plain)
	if err != nil {
		return "", err
	}
	node := waBinary.Node{
		Tag:     "message",
		Attrs:   waBinary.Attrs{"id": id, "to": to, "type": typePeer, "category": categoryPeer, "push_priority": "high"},
		Content: []waBinary.Node{enc},
	}
	if told := p.srv.routeMessage(origin{account: p.account}, &node); told.code != 0 {
		return "", fmt.Errorf("sandbox: the server refused a peer message: error %d", told.code)
	}
	return id, nil
}

// What marks messages between the devices of one account that are not for people.
const (
	categoryPeer = "peer"
	typePeer     = "peer_msg"
)
