package appstate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.mau.fi/whatsmeow/proto/waServerSync"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/disk"
)

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

func (c *collection) collect() (collectionState, error) {
	state := collectionState{
		Version: c.version, MAC: c.mac, KeyID: c.keyID, Snapshot: c.snapshot, SnapshotVersion: c.snapshotVersion, SnapshotFile: c.snapshotFile,
	}
	for _, patch := range c.patches {
		state.Patches = append(state.Patches, patchState(patch))
	}
	// Sorted, so that an unchanged collection is encoded in the same bytes.
	for _, index := range slices.Sorted(maps.Keys(c.records)) {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.records[index])
		if err != nil {
			return state, fmt.Errorf("encode an entry: %w", err)
		}
		state.Records = append(state.Records, raw)
	}
	return state, nil
}

func (c *collection) restore(raw json.RawMessage) error {
	var state collectionState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	if uint64(len(state.Patches)) > state.Version {
		return fmt.Errorf("%w: %d patches of %d", disk.ErrRecord, len(state.Patches), state.Version)
	}
	c.version, c.mac, c.keyID = state.Version, state.MAC, state.KeyID
	c.snapshot, c.snapshotVersion, c.snapshotFile = state.Snapshot, state.SnapshotVersion, state.SnapshotFile
	for _, patch := range state.Patches {
		c.patches = append(c.patches, storedPatch(patch))
	}
	for _, raw := range state.Records {
		record := new(waServerSync.SyncdRecord)
		if err := proto.Unmarshal(raw, record); err != nil {
			return fmt.Errorf("%w: %w", disk.ErrRecord, err)
		}
		c.records[string(record.GetIndex().GetBlob())] = record
	}
	return nil
}

// Collect returns a collection as it is stored on disk.
func (a *State) Collect(name string) (collectionState, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.get(name).collect()
}

// Restore loads a collection from its stored record.
func (a *State) Restore(name string, raw json.RawMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.get(name).restore(raw)
}
