package phones

import (
	"context"
	"errors"
	"fmt"
	"slices"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/media"
)

// ChatState is what somebody is doing in a chat.
type ChatState string

// The states.
const (
	StateComposing ChatState = "composing"
	StateRecording ChatState = "recording"
	StatePaused    ChatState = "paused"
)

// ErrBadChatState means that a ChatState is unknown.
var ErrBadChatState = errors.New("unknown state: expected composing, recording or paused")

// page is what the phone's owner shows to others: about text, picture and chat state.
type page struct {
	*handset

	availability *availability
}

// SetAbout changes the about text of the phone's account.
func (p *page) SetAbout(text string) error { return p.Net.Profiles.SetAbout(p.Account, text) }

// About returns the about text of the phone's account.
func (p *page) About() string { return p.Net.Profiles.About(p.Account) }

// SetPicture sets the profile picture of the phone's account, a JPEG. nil removes it. The account's chat partners are
// told.
func (p *page) SetPicture(jpeg []byte) error {
	_, err := p.Net.Profiles.SetPicture(p.Account, nil, p.Account, jpeg)
	return err
}

// Picture returns the profile picture of the phone's account, a JPEG, or nil if it has none.
func (p *page) Picture() ([]byte, error) {
	path := p.Net.Profiles.Picture(p.Account).Path
	if path == "" {
		return nil, nil
	}
	file, ok := p.Net.Media.Get(media.IDOf(path))
	if !ok || file.Gone != 0 {
		return nil, fmt.Errorf("%w: the picture", media.ErrUnknown)
	}
	return p.Net.Media.Bytes(&file)
}

// PictureID returns an id that changes with the profile picture, "" if there is none.
func (p *page) PictureID() string {
	return p.Net.Profiles.Picture(p.Account).ID
}

// SendChatState shows in a chat that the phone's owner is typing, is recording, or has stopped. It fails with
// groups.ErrNotInGroup or groups.ErrNotAdmin if the owner may not write there, and with groups.ErrBroadcast in a broadcast
// list and in the statuses.
func (p *page) SendChatState(ctx context.Context, to string, state ChatState) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !slices.Contains([]ChatState{StateComposing, StateRecording, StatePaused}, state) {
		return fmt.Errorf("%w: got %q", ErrBadChatState, state)
	}
	if !p.availability.Online() {
		return ErrOffline
	}
	target, err := p.Net.Groups.Chat(to)
	if err != nil {
		return err
	}
	switch group := target.Group(); {
	case group != nil:
		if err := group.MaySend(p.Account, false); err != nil {
			return err
		}
	case target.Shared != nil:
		return groups.ErrBroadcast
	}
	node := waBinary.Node{Tag: string(state)}
	if state == StateRecording {
		node = waBinary.Node{Tag: "composing", Attrs: waBinary.Attrs{"media": "audio"}}
	}
	p.Net.Router.RouteChatState(accounts.Origin{Account: p.Account}, target.Hidden(), []waBinary.Node{node})
	return nil
}
