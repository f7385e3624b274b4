package phonesync

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

// Collect emits the keys and the encrypted collections. The decrypted entries are not stored: the phone reads them
// again from the collections.
func (s *Sync) Collect(emit func(string, any) error) error {
	s.mu.Lock()
	keys := make([]syncKeyState, 0, len(s.keys))
	for _, key := range s.keys {
		keys = append(keys, syncKeyState(key))
	}
	s.mu.Unlock()
	if len(keys) == 0 {
		return nil
	}
	state := s.net.AppStates.Of(s.account)
	for _, name := range appstate.Collections() {
		collected, err := state.Collect(name)
		if err != nil {
			return err
		}
		if err = emit(keySync+s.account.LID+"/"+name, collected); err != nil {
			return err
		}
	}
	return emit(keySync+s.account.LID, keys)
}

// Restore restores an account's app state and has the phone read it again.
func (s *Sync) Restore(byName map[string]json.RawMessage) error {
	raw, kept := byName[keySync+s.account.LID]
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
		s.keys = append(s.keys, syncd.Key(key))
	}
	for _, name := range appstate.Collections() {
		raw, kept := byName[keySync+s.account.LID+"/"+name]
		if !kept {
			continue
		}
		if err := s.net.AppStates.Of(s.account).Restore(name, raw); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.readFromStart(name)
	}
	return nil
}

// readFromStart has the phone read a collection from its beginning. It reads patch by patch, which shows who made them.
// If that fails, it reads all records. No lock is needed, because nobody else has the account yet.
func (s *Sync) readFromStart(name string) {
	if _, err := s.catchUp(name); err == nil {
		return
	}
	known := s.forget(name)
	version, records := s.net.AppStates.Of(s.account).Entries(name)
	entries, err := known.Restore(version, records, s.lookup)
	if err != nil {
		s.net.Log.Warn("phone could not read app state", "collection", name, "err", err)
	}
	for _, entry := range entries {
		s.updateEntry(name, version, 0, entry)
	}
}
