// Package signalfix undoes what libsignal does to the states of a Signal session that did not decrypt a message.
//
// A session has a current state and archived ones, several of each side where both began at the same moment. libsignal
// tries a message with one after the other, and each try changes the state (it turns the Diffie-Hellman ratchet before it
// looks at the MAC), also where it fails; and when it takes an archived state up again, it leaves a copy of it behind
// (session.Cipher.DecryptWithRecord of go.mau.fi/libsignal v0.2.2; the original works on copies). A session in which
// messages cross then ends in states that the other side has no key for: everything is undecryptable from there on.
//
// The package knows structures of libsignal and nothing else.
package signalfix

import "go.mau.fi/libsignal/state/record"

// Archived puts the archived states of a session right after a message was decrypted: each is as it was before, and none is
// there twice. before is the session as it was loaded; it is not changed. after is the session that is about to be stored:
// its current state is the one that decrypted the message. A state is known by the base key of its beginning. It reports
// whether something had to be changed.
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

// SameCurrent reports that the current state is still the same one, perhaps further on. Then no other was tried.
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
