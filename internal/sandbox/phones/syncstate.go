package phones

import (
	"encoding/json"
	"fmt"

	"wasup/internal/sandbox/appstate"
	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/syncd"
)

// keySync is the prefix of app state records: y/LID for the keys, y/LID/COLLECTION for the encrypted collections.
const keySync = "y/"

type syncKeyState struct {
	ID   []byte `json:"id"`
	Data []byte `json:"data"`
	Time int64  `json:"time"`
}

// collectSync emits the keys and the encrypted collections. The decrypted entries are not stored: the phone reads them
// again from the collections.
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
	state := p.Net.AppStates.Of(p.Account)
	for _, name := range appstate.Collections() {
		collected, err := state.Collect(name)
		if err != nil {
			return err
		}
		if err = emit(keySync+p.Account.LID+"/"+name, collected); err != nil {
			return err
		}
	}
	return emit(keySync+p.Account.LID, keys)
}

// RestoreSync restores an account's app state and has the phone read it again.
func (p *phoneSync) RestoreSync(byName map[string]json.RawMessage) error {
	raw, kept := byName[keySync+p.Account.LID]
	if !kept {
		return nil
	}
	var keys []syncKeyState
	if err := json.Unmarshal(raw, &keys); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	for _, key := range keys {
		if len(key.Data) != syncKeySize || len(key.ID) == 0 {
			return fmt.Errorf("%w: a key of app state", disk.ErrRecord)
		}
		p.keys = append(p.keys, syncd.Key(key))
	}
	for _, name := range appstate.Collections() {
		raw, kept := byName[keySync+p.Account.LID+"/"+name]
		if !kept {
			continue
		}
		if err := p.Net.AppStates.Of(p.Account).Restore(name, raw); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p.readFromStart(name)
	}
	return nil
}

// readFromStart has the phone read a collection from its beginning. It reads patch by patch, which shows who made them.
// If that fails, it reads all records. No lock is needed, because nobody else has the account yet.
func (p *phoneSync) readFromStart(name string) {
	if _, err := p.catchUp(name); err == nil {
		return
	}
	known := p.forget(name)
	version, records := p.Net.AppStates.Of(p.Account).Entries(name)
	entries, err := known.Restore(version, records, p.lookup)
	if err != nil {
		p.Net.Log.Warn("phone could not read app state", "collection", name, "err", err)
	}
	for _, entry := range entries {
		p.updateEntry(name, version, 0, entry)
	}
}
