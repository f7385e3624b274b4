package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"wasup/internal/sandbox/mediacrypt"
)

// profileState is what an account shows and keeps from others. Accounts go by their hidden ids.
type profileState struct {
	About    string            `json:"about,omitempty"`
	Picture  *pictureState     `json:"picture,omitempty"`
	Privacy  map[string]string `json:"privacy,omitempty"`
	Blocked  []string          `json:"blocked,omitempty"`
	Timer    uint32            `json:"timer,omitempty"`
	TimerAt  time.Time         `json:"timer_at"`
	LastSeen time.Time         `json:"last_seen"`
}

type pictureState struct {
	ID   string `json:"id"`
	Path string `json:"path"`
	Hash []byte `json:"hash"`
}

func (p *profile) collect() profileState {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := profileState{
		About: p.about, Picture: p.picture.state(), Privacy: maps.Clone(p.privacy), Timer: p.timer, TimerAt: p.timerAt, LastSeen: p.lastSeen,
	}
	for _, other := range p.blocked {
		state.Blocked = append(state.Blocked, lidOf(other))
	}
	return state
}

func (p picture) state() *pictureState {
	if p.id == "" {
		return nil
	}
	return &pictureState{p.id, p.path, p.hash}
}

func (k *keeper) restoreProfile(a *account, raw json.RawMessage) error {
	var state profileState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	if utf8.RuneCountInString(state.About) > maxAbout {
		return fmt.Errorf("%w: about", errState)
	}
	prof := k.profiles.of(a)
	prof.about, prof.timer, prof.timerAt, prof.lastSeen = state.About, state.Timer, state.TimerAt, state.LastSeen
	for name, value := range state.Privacy {
		if !slices.Contains(privacySettings[name], value) {
			return fmt.Errorf("%w: privacy", errState)
		}
	}
	prof.privacy = state.Privacy
	for _, lid := range state.Blocked {
		if other := k.dir.byLID[lid]; other != nil {
			prof.blocked = append(prof.blocked, other)
		}
	}
	prof.picture = k.restorePicture(state.Picture)
	return nil
}

func (k *keeper) restorePicture(state *pictureState) picture {
	if state == nil {
		return picture{}
	}
	k.media.show(state.Path, true)
	return picture{id: state.ID, path: state.Path, hash: state.Hash}
}

// restoreMedia makes the file of a message one that can be opened.
func (k *keeper) restoreMedia(m *Message, keys *fileState) *Media {
	if m.Media == nil || keys == nil {
		return nil
	}
	file := *m.Media
	file.sealed = mediacrypt.Sealed{Key: keys.Key, PlainSHA256: keys.PlainSHA256, SealedSHA256: keys.SealedSHA256, Length: file.Size}
	file.kind, file.store = shapes[m.Kind].kind, k.media
	return &file
}

// restoreSecret brings back what clients authorise their uploads with.
func (k *keeper) restoreSecret(raw json.RawMessage) error {
	var secret []byte
	if err := json.Unmarshal(raw, &secret); err != nil || len(secret) != len(k.media.secret) {
		return fmt.Errorf("%w: the secret of uploads", errState)
	}
	copy(k.media.secret[:], secret)
	return nil
}
