package phones

import (
	"errors"
	"fmt"
	"slices"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/kinds"
)

// special reports whether package kinds encodes the kind.
func (k Kind) special() bool { return slices.Contains(kinds.All(), string(k)) }

// checkSpecial checks the fields of special kinds and of parts.
func (o *Outgoing) checkSpecial() error {
	var failed *kinds.Error
	switch {
	case o.Details != nil && !o.Kind.special():
		return &OutgoingError{"details", fmt.Sprintf("belong to the kinds %v", kinds.All())}
	case o.Kind.special() && errors.As(o.details().Check(string(o.Kind)), &failed):
		return &OutgoingError{failed.Field, failed.Reason}
	case o.Part != nil && !o.Kind.hasFile():
		return &OutgoingError{"part", "belongs to files"}
	case o.Part != nil && !o.Part.Valid():
		return &OutgoingError{"part", "expected the id of a message as of, and album, hd_image, hd_video or motion_photo as as"}
	default:
		return nil
	}
}

// details returns the fields of a special kind.
func (o *Outgoing) details() *kinds.Details {
	if o.Details == nil {
		return new(kinds.Details)
	}
	return o.Details
}

// composeSpecial builds a message of a kind of package kinds.
func (p *codec) composeSpecial(out *Outgoing, to groups.Chat, kept *Message) (*waE2E.Message, error) {
	var target *kinds.Target
	if out.Target != "" {
		about, ok := p.journal.inChat(to, out.Target)
		if !ok {
			return nil, &OutgoingError{"target", "expected the id of a message of this chat"}
		}
		server := to.Server()
		kept.about = about.author
		target = &kinds.Target{
			Key: p.journal.keyFor(&about), ID: about.ID, Secret: about.secret, Author: about.author.JIDOn(server, 0), Sender: p.Account.JIDOn(server, 0),
		}
	}
	content, err := kinds.Encode(string(out.Kind), out.Text, *out.details(), target)
	if err != nil {
		return nil, err
	}
	kept.secret = content.GetMessageContextInfo().GetMessageSecret()
	return content, nil
}

// attachTo says in a message with a file to which other message it belongs.
func (p *codec) attachTo(out *Outgoing, to groups.Chat, content *waE2E.Message) (*waE2E.Message, error) {
	if out.Part == nil {
		return content, nil
	}
	parent, ok := p.journal.inChat(to, out.Part.Of)
	if !ok {
		return nil, &OutgoingError{"part", "expected the id of a message of this chat as of"}
	}
	return out.Part.Attach(content, p.journal.keyFor(&parent)), nil
}

// readSpecial reads a message of a kind of package kinds.
func (p *codec) readSpecial(content *waE2E.Message, into *Message) {
	kind, target := kinds.Of(content)
	if kind == "" {
		return
	}
	into.Kind = Kind(kind)
	if target != nil {
		p.readKey(target, into)
	}
}
