package phones

import (
	"context"
	"fmt"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/channels"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/stanza"
)

// CreateChannel creates a channel of the phone and returns its address. followers are numbers or JIDs. It fails with
// accounts.ErrUnknownContact or channels.ErrBadName.
func (p *memberships) CreateChannel(ctx context.Context, name string, followers []string) (types.JID, error) {
	if err := ctx.Err(); err != nil {
		return types.EmptyJID, err
	}
	list, err := p.Net.Dir.Contacts(followers)
	if err != nil {
		return types.EmptyJID, err
	}
	return p.Net.Channels.Create(p.Account, name, list)
}

// publish posts a message in a channel of the phone, or edits a post, and returns the post's id. The phone does not show
// it as a message.
func (p *sender) publish(out *Outgoing, jid types.JID) (string, error) {
	draft := channels.Draft{ID: stanza.NewMessageID(), Type: stanzaType(out.Kind)}
	var content *waE2E.Message
	switch out.Kind {
	case KindText, KindRaw, KindPoll, KindLocation, KindContact:
		composed, _, err := p.codec.compose(out, groups.Chat{Account: p.Account})
		if err != nil {
			return "", err
		}
		content = composed
	case KindEdit:
		draft.ID, draft.Edits = out.Target, true
		content = &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: &out.Text}}
	default:
		return "", &OutgoingError{"kind", "expected text, poll, location, contact, edit or raw for a channel"}
	}
	var err error
	if draft.Plain, err = proto.Marshal(content); err != nil {
		return "", fmt.Errorf("sandbox: encoding a post: %w", err)
	}
	return draft.ID, p.Net.Channels.Publish(p.Account, jid, draft)
}
