// Package signalfix undoes changes that libsignal makes to session states which failed to decrypt a message.
//
// A Signal session has a current state and archived ones. There are several when both sides began at the same moment.
// libsignal tries one state after the other. Each try changes the state even if it fails, because the Diffie-Hellman
// ratchet advances before the MAC is checked. When an archived state succeeds and becomes the current one, libsignal
// leaves a copy of it in the archive. (See session.Cipher.DecryptWithRecord of go.mau.fi/libsignal v0.2.2. The original
// implementation works on copies.) After messages have crossed, such a session has states that the other side has no
// key for, and every further message is undecryptable.
//
// The package depends on libsignal's structures only.
package signalfix

import "go.mau.fi/libsignal/state/record"

// Archived repairs the archived states of a session after a message was decrypted: it restores each to its value
// before, and removes copies. before is the session as it was loaded; it is not changed. after is the session that will
// be stored; its current state is the one that decrypted the message. States are identified by their sender base key.
// Archived reports whether it changed after.
func Archived(before, after *record.SessionStructure) bool {
	if before == nil || after == nil || after.SessionState == nil || len(after.PreviousStates) == 0 {
		return false
	}
	was := make(map[string]*record.StateStructure, len(before.PreviousStates)+1)
	for _, state := range append([]*record.StateStructure{before.SessionState}, before.PreviousStates...) {
		if key := baseKey(state); was[key] == nil {
			was[key] = state
		}
	}
	changed := false
	seen := map[string]bool{baseKey(after.SessionState): true}
	kept := make([]*record.StateStructure, 0, len(after.PreviousStates))
	for _, state := range after.PreviousStates {
		key := baseKey(state)
		if seen[key] {
			changed = true
			continue
		}
		seen[key] = true
		if original := was[key]; original != nil {
			state, changed = original, true
		}
		kept = append(kept, state)
	}
	after.PreviousStates = kept
	return changed
}

// SameCurrent reports whether both sessions have the same current state, which may have advanced. Then libsignal has
// tried no other state.
func SameCurrent(before, after *record.SessionStructure) bool {
	return before != nil && after != nil && before.SessionState != nil && after.SessionState != nil &&
		baseKey(before.SessionState) == baseKey(after.SessionState)
}

func baseKey(state *record.StateStructure) string {
	if state == nil {
		return ""
	}
	return string(state.SenderBaseKey)
}
