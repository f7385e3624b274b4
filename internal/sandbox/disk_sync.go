package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waServerSync"

	"wasup/internal/sandbox/syncd"
)

// keySync is y/LID for the keys of an account's app state, y/LID/COLLECTION for what is encrypted with them.
const keySync = "y/"

type syncKeyState struct {
	ID   []byte `json:"id"`
	Data []byte `json:"data"`
	Time int64  `json:"time"`
}

type collectionState struct {
	Version         uint64       `json:"version"`
	Patches         []patchState `json:"patches"`
	Records         [][]byte     `json:"records"`
	MAC             []byte       `json:"mac"`
	KeyID           []byte       `json:"key_id"`
	Snapshot        []byte       `json:"snapshot,omitempty"`
	SnapshotVersion uint64       `json:"snapshot_version,omitempty"`
	SnapshotFile    string       `json:"snapshot_file,omitempty"`
}

type patchState struct {
	Device uint16 `json:"device"`
	Raw    []byte `json:"raw"`
}

// collectSync tells what is to be known of an account's app state. What the phone read is made anew from that.
func (p *phoneSync) collectSync(emit func(string, any) error) error {
	p.mu.Lock()
	keys := make([]syncKeyState, 0, len(p.keys))
	for _, key := range p.keys {
		keys = append(keys, syncKeyState(key))
	}
	p.mu.Unlock()
	if len(keys) == 0 {
		return nil
	}
	state := p.net.appStates.of(p.account)
	for _, name := range syncCollections() {
		state.mu.Lock()
		collected, err := state.get(name).collect()
		state.mu.Unlock()
		if err != nil {
			return err
		}
		if err = emit(keySync+p.account.lid+"/"+name, collected); err != nil {
			return err
		}
	}
	return emit(keySync+p.account.lid, keys)
}

func (c *collection) collect() (collectionState, error) {
	state := collectionState{
		Version: c.version, MAC: c.mac, KeyID: c.keyID, Snapshot: c.snapshot, SnapshotVersion: c.snapshotVersion, SnapshotFile: c.snapshotFile,
	}
	for _, patch := range c.patches {
		state.Patches = append(state.Patches, patchState{patch.device, patch.raw})
	}
	// Sorted: a collection that has not changed has to look the same.
	for _, index := range slices.Sorted(maps.Keys(c.records)) {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.records[index])
		if err != nil {
			return state, fmt.Errorf("encode an entry: %w", err)
		}
		state.Records = append(state.Records, raw)
	}
	return state, nil
}

// restoreSync brings an account's app state back, and has the phone read it again.
func (p *phoneSync) restoreSync(byName map[string]json.RawMessage) error {
	raw, kept := byName[keySync+p.account.lid]
	if !kept {
		return nil
	}
	var keys []syncKeyState
	if err := json.Unmarshal(raw, &keys); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	for _, key := range keys {
		if len(key.Data) != syncKeySize || len(key.ID) == 0 {
			return fmt.Errorf("%w: a key of app state", errState)
		}
		p.keys = append(p.keys, syncd.Key(key))
	}
	for _, name := range syncCollections() {
		raw, kept := byName[keySync+p.account.lid+"/"+name]
		if !kept {
			continue
		}
		c := p.net.appStates.of(p.account).get(name)
		if err := c.restore(raw); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p.readAnew(name, c)
	}
	return nil
}

func (c *collection) restore(raw json.RawMessage) error {
	var state collectionState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	if uint64(len(state.Patches)) > state.Version {
		return fmt.Errorf("%w: %d patches of %d", errState, len(state.Patches), state.Version)
	}
	c.version, c.mac, c.keyID = state.Version, state.MAC, state.KeyID
	c.snapshot, c.snapshotVersion, c.snapshotFile = state.Snapshot, state.SnapshotVersion, state.SnapshotFile
	for _, patch := range state.Patches {
		c.patches = append(c.patches, storedPatch{patch.Device, patch.Raw})
	}
	for _, raw := range state.Records {
		record := new(waServerSync.SyncdRecord)
		if err := proto.Unmarshal(raw, record); err != nil {
			return fmt.Errorf("%w: %w", errState, err)
		}
		c.records[string(record.GetIndex().GetBlob())] = record
	}
	return nil
}

// readAnew has the phone read a collection from its beginning: patch by patch, which tells who made them, or if that
// fails all entries as they are. Nobody else has the account yet.
func (p *phoneSync) readAnew(name string, c *collection) {
	if _, err := p.catchUp(name); err == nil {
		return
	}
	known := p.forget(name)
	records := make([]*waServerSync.SyncdRecord, 0, len(c.records))
	for _, record := range c.records {
		records = append(records, record)
	}
	entries, err := known.Restore(c.version, records, p.lookup)
	if err != nil {
		p.net.log.Warn("phone could not read app state", "collection", name, "err", err)
	}
	for _, entry := range entries {
		p.note(name, c.version, 0, entry)
	}
}
