package profiles

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/media"
)

// Key is the prefix of the keys of profile records: f/LID.
const Key = "f/"

// profileState is a profile on disk. Accounts are named by their hidden ids.
type profileState struct {
	About    string            `json:"about,omitempty"`
	Picture  *media.Picture    `json:"picture,omitempty"`
	Privacy  map[string]string `json:"privacy,omitempty"`
	Blocked  []string          `json:"blocked,omitempty"`
	Timer    uint32            `json:"timer,omitempty"`
	TimerAt  time.Time         `json:"timer_at"`
	LastSeen time.Time         `json:"last_seen"`
}

// Collect emits the record of an account's profile.
func (p *Profiles) Collect(a *accounts.Account, emit func(string, any) error) error {
	return emit(Key+a.LID, p.of(a).state())
}

func (p *profile) state() profileState {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := profileState{
		About: p.about, Picture: p.picture.State(), Privacy: maps.Clone(p.privacy), Timer: p.timer, TimerAt: p.timerAt, LastSeen: p.lastSeen,
	}
	for _, other := range p.blocked {
		state.Blocked = append(state.Blocked, accounts.LIDOf(other))
	}
	return state
}

// Restore loads the profile of an account from its record.
func (p *Profiles) Restore(a *accounts.Account, raw json.RawMessage) error {
	var state profileState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	if utf8.RuneCountInString(state.About) > maxAbout {
		return fmt.Errorf("%w: about", disk.ErrRecord)
	}
	prof := p.of(a)
	prof.about, prof.timer, prof.timerAt, prof.lastSeen = state.About, state.Timer, state.TimerAt, state.LastSeen
	for name, value := range state.Privacy {
		if !slices.Contains(privacySettings[name], value) {
			return fmt.Errorf("%w: privacy", disk.ErrRecord)
		}
	}
	prof.privacy = state.Privacy
	for _, lid := range state.Blocked {
		if other := p.dir.Hidden(lid); other != nil {
			prof.blocked = append(prof.blocked, other)
		}
	}
	prof.picture = p.media.RestorePicture(state.Picture)
	return nil
}
