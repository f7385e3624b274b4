// Package appstate is the server's part of app state: contacts, pins, mutes and the like, which clients and phones
// share in encrypted form.
//
// The server stores and distributes app state but cannot decrypt it.
package appstate

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waServerSync"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/mediacrypt"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/syncd"
)

// The collections of app state, with what phones keep in them, and the limits.
const (
	Critical       = "critical_block"       // the account's own name
	Contacts       = "critical_unblock_low" // the names of contacts
	High           = "regular_high"         // mutes, stars
	Regular        = "regular"              // labels
	Low            = "regular_low"          // pins, archive, chats marked as read
	snapshotAfter  = 20                     // a snapshot is made when more patches than this have come since the last one
	maxPatchesSent = 50                     // patches in one answer
	maxPatches     = 2000                   // stored for a collection
	MaxMutations   = 5000                   // in a patch
	maxRecords     = 50_000                 // in a collection
)

// Collections lists the names of all collections.
func Collections() []string {
	return []string{Critical, Contacts, High, Regular, Low}
}

// ErrConflict means that a patch is based on an old version of the collection.
var ErrConflict = errors.New("the collection has changed meanwhile")

// State is the encrypted app state of one account.
type State struct {
	mu          sync.Mutex
	collections map[string]*collection
}

type collection struct {
	version uint64
	// patches are the newest patches, in order. The last one led to version.
	patches []storedPatch
	records map[string]*waServerSync.SyncdRecord
	// mac and keyID come from the newest patch. A snapshot of this version has the same ones.
	mac, keyID []byte
	// snapshot is an encoded reference to the file snapshotFile, which holds the records of snapshotVersion.
	snapshot        []byte
	snapshotVersion uint64
	snapshotFile    string
}

// storedPatch is an encoded patch and the device that made it. Device 0 is the phone.
type storedPatch struct {
	Device uint16
	Raw    []byte
}

// Store holds the app state of all accounts. It accepts changes of devices and phones and tells the other devices of
// the account.
type Store struct {
	dir      *accounts.Directory
	courier  *accounts.Courier
	media    *media.Store
	observer *observe.Observer
	log      *slog.Logger

	mu        sync.RWMutex
	byAccount map[*accounts.Account]*State
}

// NewStore returns an empty store.
func NewStore(dir *accounts.Directory, courier *accounts.Courier, media *media.Store, observer *observe.Observer, log *slog.Logger) *Store {
	return &Store{dir: dir, courier: courier, media: media, observer: observer, log: log, byAccount: make(map[*accounts.Account]*State)}
}

// Of returns the app state of an account, creating an empty one if there is none.
func (a *Store) Of(owner *accounts.Account) *State {
	a.mu.RLock()
	state := a.byAccount[owner]
	a.mu.RUnlock()
	if state != nil {
		return state
	}
	if a.dir.Find(owner.LIDJID(0)) != owner {
		// The account was removed: store nothing for it.
		return new(State)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if state = a.byAccount[owner]; state == nil {
		state = new(State)
		a.byAccount[owner] = state
	}
	return state
}

// Forget deletes the app state of an account that was removed.
func (a *Store) Forget(owner *accounts.Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byAccount, owner)
}

// get returns a collection, creating an empty one if there is none. The caller holds the lock.
func (a *State) get(name string) *collection {
	if c := a.collections[name]; c != nil {
		return c
	}
	if a.collections == nil {
		a.collections = make(map[string]*collection)
	}
	c := &collection{records: make(map[string]*waServerSync.SyncdRecord)}
	a.collections[name] = c
	return c
}

// PatchesSince returns the patches of a collection after a version. It returns false if the collection has no such
// version or some of the patches are not stored any more.
func (a *State) PatchesSince(name string, version uint64) ([]storedPatch, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	patches, ok := a.get(name).since(version)
	return slices.Clone(patches), ok
}

// Entries returns the version of a collection and its records.
func (a *State) Entries(name string) (uint64, []*waServerSync.SyncdRecord) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.get(name)
	return c.version, slices.Collect(maps.Values(c.records))
}

// Clear deletes all collections.
func (a *State) Clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.collections = nil
}

// since returns the patches after a version. It returns false if there is no such version yet or some of the patches
// are not stored any more.
func (c *collection) since(version uint64) ([]storedPatch, bool) {
	if version > c.version {
		return nil, false
	}
	behind := c.version - version
	if behind > uint64(len(c.patches)) {
		return nil, false
	}
	return c.patches[uint64(len(c.patches))-behind:], true
}

// Push applies a patch that takes a collection from version base to the next, and tells the account's other devices and
// its phone. It returns the new version. It fails with ErrConflict if base is not the newest version, and with an error
// of package syncd if the patch is malformed.
func (a *Store) Push(from accounts.Origin, name string, base uint64, patch *waServerSync.SyncdPatch) (uint64, error) {
	full, err := a.WithExternal(patch)
	if err != nil {
		return 0, err
	}
	if err = syncd.Check(full); err != nil {
		return 0, err
	}
	if len(full.GetMutations()) > MaxMutations {
		return 0, fmt.Errorf("%w: %d mutations, expected at most %d", syncd.ErrShape, len(full.GetMutations()), MaxMutations)
	}
	version, err := a.Of(from.Account).enter(from.Device, name, base, patch, full)
	if err != nil {
		if errors.Is(err, ErrConflict) {
			a.observer.Count(func(n *observe.Counters) { n.SyncConflicts++ })
		}
		return 0, err
	}
	from.Account.Changed.Store(true)
	a.observer.Count(func(n *observe.Counters) { n.SyncPatches++ })
	a.observer.Emit(observe.Event{
		Kind: observe.EventAppState, Account: from.Account.Number, Device: from.Account.JID(from.Device).String(),
		Detail: name + " " + strconv.FormatUint(version, 10),
	})
	a.tellSync(from, name, version)
	return version, nil
}

func (a *State) enter(device uint16, name string, base uint64, patch, full *waServerSync.SyncdPatch) (uint64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.get(name)
	if base != c.version {
		return 0, ErrConflict
	}
	if len(c.records)+len(full.GetMutations()) > maxRecords {
		return 0, fmt.Errorf("%w: the collection would have more than %d entries", syncd.ErrShape, maxRecords)
	}
	// Clients leave the version out: the server assigns it.
	version := c.version + 1
	patch.Version = &waServerSync.SyncdVersion{Version: &version}
	raw, err := proto.Marshal(patch)
	if err != nil {
		return 0, fmt.Errorf("encode a patch: %w", err)
	}
	for _, mutation := range full.GetMutations() {
		index := string(mutation.GetRecord().GetIndex().GetBlob())
		if mutation.GetOperation() == waServerSync.SyncdMutation_REMOVE {
			delete(c.records, index)
			continue
		}
		c.records[index] = mutation.GetRecord()
	}
	c.version, c.mac, c.keyID = version, full.GetSnapshotMAC(), full.GetKeyID().GetID()
	c.patches = append(c.patches, storedPatch{device, raw})
	if len(c.patches) > maxPatches {
		c.patches = slices.Clone(c.patches[len(c.patches)-maxPatches:])
	}
	return version, nil
}

// WithExternal returns the patch with its mutations inline. A client may put them into an uploaded file instead, and
// the server has to know which entries they change.
func (a *Store) WithExternal(patch *waServerSync.SyncdPatch) (*waServerSync.SyncdPatch, error) {
	ref := patch.GetExternalMutations()
	if ref == nil {
		return patch, nil
	}
	file, ok := a.media.Get(media.IDOf(ref.GetDirectPath()))
	if !ok || file.Gone != 0 {
		return nil, fmt.Errorf("%w: the file with its mutations does not exist", syncd.ErrShape)
	}
	data, err := a.media.Bytes(&file)
	if err != nil {
		return nil, fmt.Errorf("%w: the file with its mutations: %w", syncd.ErrShape, err)
	}
	plain, err := mediacrypt.Open(mediacrypt.Sealed{
		File: data, Key: ref.GetMediaKey(), PlainSHA256: ref.GetFileSHA256(), SealedSHA256: ref.GetFileEncSHA256(),
	}, mediacrypt.AppState)
	if err != nil {
		return nil, fmt.Errorf("%w: the file with its mutations: %w", syncd.ErrShape, err)
	}
	var mutations waServerSync.SyncdMutations
	if err = proto.Unmarshal(plain, &mutations); err != nil {
		return nil, fmt.Errorf("%w: the file with its mutations: %w", syncd.ErrShape, err)
	}
	return &waServerSync.SyncdPatch{
		Version: patch.Version, Mutations: mutations.GetMutations(), SnapshotMAC: patch.SnapshotMAC, PatchMAC: patch.PatchMAC, KeyID: patch.KeyID,
	}, nil
}

// UploadSync encrypts content as app state and stores it as a media file. It returns the reference to the file.
func (a *Store) UploadSync(account string, content proto.Message) (*waServerSync.ExternalBlobReference, error) {
	plain, err := proto.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode app state: %w", err)
	}
	sealed, err := mediacrypt.Seal(plain, mediacrypt.AppState)
	if err != nil {
		return nil, err
	}
	file, err := a.media.Put(account, "md-app-state", sealed.File)
	if err != nil {
		return nil, err
	}
	return &waServerSync.ExternalBlobReference{
		MediaKey: sealed.Key, DirectPath: &file.DirectPath, FileSizeBytes: proto.Uint64(uint64(sealed.Length)),
		FileSHA256: sealed.PlainSHA256, FileEncSHA256: sealed.SealedSHA256,
	}, nil
}

// tellSync tells the account's other devices, and the phone, that a collection has changed. Devices that have no app
// state keys yet are left out: they fetch everything when they get the keys.
func (a *Store) tellSync(from accounts.Origin, name string, version uint64) {
	node := waBinary.Node{
		Tag:   "notification",
		Attrs: waBinary.Attrs{"from": from.Account.JID(0), "type": "server_sync", "id": stanza.NewID(), "t": stanza.Now()},
		Content: []waBinary.Node{{
			Tag: "collection", Attrs: waBinary.Attrs{"name": name, "version": strconv.FormatUint(version, 10)},
		}},
	}
	if from.Device != 0 {
		from.Account.Phone.Take(accounts.Delivery{Node: node, From: from, Chat: from.Account})
	}
	for _, dev := range a.dir.DevicesOf(from.Account) {
		if dev.ID != from.Device && dev.Greeted.Load() {
			a.courier.Hand(dev, node)
		}
	}
}

// maxCollections bounds how many collections one query may name. There are five.
const maxCollections = 20

// Query answers with what has changed in collections, and applies the patches that the device sends. Each collection
// has its own result.
func (a *Store) Query(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("sync")
	asked := request.GetChildrenByTag("collection")
	if len(asked) == 0 || len(asked) > maxCollections {
		return nil, stanza.ErrBadRequest
	}
	var collections []waBinary.Node
	for i := range asked {
		collections = append(collections, a.syncCollection(accounts.Origin{Account: dev.Account, Device: dev.ID}, &asked[i]))
	}
	return []waBinary.Node{{Tag: "sync", Content: collections}}, nil
}

func (a *Store) syncCollection(from accounts.Origin, asked *waBinary.Node) waBinary.Node {
	name := stanza.Attr(asked, "name")
	answer := waBinary.Node{Tag: "collection", Attrs: waBinary.Attrs{"name": name, "type": "result"}}
	refuse := func(failed *stanza.QueryError) waBinary.Node {
		answer.Attrs["type"] = "error"
		answer.Content = append(answer.GetChildren(), stanza.ErrorNode(failed.Code, failed.Text))
		return answer
	}
	version, err := strconv.ParseUint(strings.TrimSpace(stanza.Attr(asked, "version")), 10, 64)
	if stanza.Attr(asked, "version") == "" {
		version, err = 0, nil
	}
	if !slices.Contains(Collections(), name) || err != nil {
		return refuse(stanza.ErrBadRequest)
	}
	raw, pushes := asked.GetOptionalChildByTag("patch")
	if !pushes {
		return a.pull(from.Account, name, version, stanza.Attr(asked, "return_snapshot") == "true", maxPatchesSent, answer, refuse)
	}
	var patch waServerSync.SyncdPatch
	if err = proto.Unmarshal(stanza.Bytes(&raw), &patch); err != nil {
		return refuse(stanza.ErrBadRequest)
	}
	entered, err := a.Push(from, name, version, &patch)
	switch {
	case errors.Is(err, ErrConflict):
		// All patches at once: the client applies them and tries again.
		answer = a.pull(from.Account, name, version, false, maxPatches, answer, refuse)
		return refuse(stanza.ErrConflict)
	case err != nil:
		a.log.Debug("app state patch refused", "collection", name, "err", err)
		return refuse(stanza.ErrBadRequest)
	}
	answer.Attrs["version"] = strconv.FormatUint(entered, 10)
	return answer
}

// pull answers with what a device lacks: the patches after its version. A device that has nothing and asks for a
// snapshot gets the newest snapshot and the patches after it.
func (a *Store) pull(account *accounts.Account, name string, version uint64, snapshot bool, limit int, answer waBinary.Node, refuse func(*stanza.QueryError) waBinary.Node) waBinary.Node {
	state := a.Of(account)
	state.mu.Lock()
	defer state.mu.Unlock()
	c := state.get(name)
	answer.Attrs["version"] = strconv.FormatUint(c.version, 10)
	var content []waBinary.Node
	if snapshot && version == 0 {
		if err := a.refreshSnapshot(account, name, c); err != nil {
			a.log.Error("app state snapshot was not made", "collection", name, "err", err)
			return refuse(stanza.ErrBroken)
		}
		if c.snapshot != nil {
			content, version = append(content, waBinary.Node{Tag: "snapshot", Content: c.snapshot}), c.snapshotVersion
		}
	}
	patches, ok := c.since(version)
	if !ok {
		return refuse(stanza.ErrNotFound)
	}
	if len(patches) > limit {
		patches = patches[:limit]
		answer.Attrs["has_more_patches"] = "true"
	}
	nodes := make([]waBinary.Node, 0, len(patches))
	for _, patch := range patches {
		nodes = append(nodes, waBinary.Node{Tag: "patch", Content: patch.Raw})
	}
	if len(nodes) > 0 {
		content = append(content, waBinary.Node{Tag: "patches", Content: nodes})
	}
	if content != nil {
		answer.Content = content
	}
	return answer
}

// refreshSnapshot makes a new snapshot if more than snapshotAfter patches have come since the last one, or if the
// patches since then or the snapshot's file are not stored any more. The caller holds the lock.
func (a *Store) refreshSnapshot(account *accounts.Account, name string, c *collection) error {
	if c.snapshot != nil && !a.media.Has(c.snapshotFile) {
		c.snapshot, c.snapshotVersion = nil, 0
	}
	_, complete := c.since(c.snapshotVersion)
	if complete && c.version-c.snapshotVersion <= snapshotAfter {
		return nil
	}
	records := make([]*waServerSync.SyncdRecord, 0, len(c.records))
	for _, record := range c.records {
		records = append(records, record)
	}
	version := c.version
	ref, err := a.UploadSync(account.Number, &waServerSync.SyncdSnapshot{
		Version: &waServerSync.SyncdVersion{Version: &version}, Records: records, Mac: c.mac, KeyID: &waServerSync.KeyId{ID: c.keyID},
	})
	if err != nil {
		return err
	}
	if c.snapshot, err = proto.Marshal(ref); err != nil {
		return fmt.Errorf("encode app state: %w", err)
	}
	c.snapshotVersion, c.snapshotFile = version, media.IDOf(ref.GetDirectPath())
	return nil
}
