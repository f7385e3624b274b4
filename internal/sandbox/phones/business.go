package phones

import (
	"errors"
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/business"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/kinds"
)

// checkBusiness checks the fields of messages of businesses, and of answers.
func (o *Outgoing) checkBusiness() error {
	var failed *business.Error
	switch {
	case (o.Kind == KindBusiness) != (o.Business != nil):
		return &OutgoingError{"business", "belongs to the kind business, and is needed there"}
	case o.Business != nil && errors.As(o.Business.Check(), &failed):
		return &OutgoingError{failed.Field, failed.Reason}
	case o.Kind == KindChoice && (o.Quote == "" || len(o.Options) != 1):
		return &OutgoingError{"options", "expected the id of one choice, and in quote the message that offers it"}
	case o.Referral != nil && (o.Kind.changes() || o.Kind == KindTimer || o.Kind == KindRaw):
		return &OutgoingError{"referral", "belongs to messages with a text, a file, a place or the like"}
	case o.Forwarded != nil && (o.Kind.changes() || o.Kind == KindTimer || o.Kind == KindRaw):
		return &OutgoingError{"forwarded", "belongs to messages with a text, a file, a place or the like"}
	}
	return nil
}

// composeBusiness builds a message of a business, or the answer of somebody who takes a choice.
func (p *codec) composeBusiness(out *Outgoing, to groups.Chat, kept *Message, context *waE2E.ContextInfo) (content *waE2E.Message, err error) {
	quoted, _ := p.journal.inChat(to, out.Quote)
	if out.Kind == KindChoice {
		offer := new(waE2E.Message)
		if err = proto.Unmarshal(quoted.raw, offer); err != nil {
			return nil, err
		}
		inner, _ := kinds.Unwrap(offer)
		content, err = business.Choose(inner, out.Options[0], out.Text, context)
		var failed *business.Error
		if errors.As(err, &failed) {
			return nil, &OutgoingError{failed.Field, failed.Reason}
		}
	} else if out.Business.Placeholder() != nil && to.Shared != nil {
		return nil, &OutgoingError{"business.form", "a code goes to one person, not to a group"}
	} else {
		parts := business.Parts{Text: out.Text, Context: context}
		if parts.File, err = p.headerFile(out); err != nil {
			return nil, err
		}
		if out.Quote != "" {
			parts.Request = p.journal.keyFor(&quoted)
		}
		content = out.Business.Compose(parts)
	}
	p.readBusiness(content, kept)
	return content, err
}

// headerFile uploads the file of a header and returns a message with it, or with a place. It returns nil for neither.
func (p *codec) headerFile(out *Outgoing) (*waE2E.Message, error) {
	switch {
	case out.Media != nil:
		kind := KindBusiness.ofFile(&Media{MIME: out.Media.MIME})
		file, err := p.attach(kind, out.Media)
		if err != nil {
			return nil, err
		}
		return p.mediaMessage(&Outgoing{Kind: kind}, file, nil), nil
	case out.Location != nil:
		return &waE2E.Message{LocationMessage: &waE2E.LocationMessage{
			DegreesLatitude: &out.Location.Latitude, DegreesLongitude: &out.Location.Longitude, Name: optional(out.Location.Name), Address: optional(out.Location.Address),
		}}, nil
	default:
		return nil, nil
	}
}

// ofFile returns the kind that says how the file of a message of kind k is encrypted.
func (k Kind) ofFile(file *Media) Kind {
	top, _, _ := strings.Cut(file.MIME, "/")
	switch {
	case k != KindBusiness:
		return k
	case top == "image" || top == "video":
		return Kind(top)
	default:
		return KindDocument
	}
}

// readBusiness reads a message of a business or an answer. It returns false for any other message.
func (p *codec) readBusiness(content *waE2E.Message, into *Message) bool {
	seen, ok := business.Read(content)
	if !ok {
		return false
	}
	if seen.File != nil {
		p.readMedia(seen.File, into)
		if l := seen.File.GetLocationMessage(); l != nil {
			into.Location = &Location{Latitude: finite(l.GetDegreesLatitude()), Longitude: finite(l.GetDegreesLongitude()), Name: l.GetName(), Address: l.GetAddress()}
		}
	}
	into.Kind, into.Text, into.Business = KindBusiness, seen.Text, &seen.Shown
	if seen.Chosen != "" || content.GetInteractiveResponseMessage() != nil {
		into.Kind = KindChoice
	}
	p.readContext(seen.Context, into)
	return true
}

// quotedWhole returns a message as a quote has it whose words are in fields of its own, or nil for any other message.
func quotedWhole(quoted *Message) *waE2E.Message {
	content := new(waE2E.Message)
	switch quoted.Kind {
	case KindBusiness, KindLocation, KindContact, KindDocument:
	default:
		return nil
	}
	if len(quoted.raw) == 0 || proto.Unmarshal(quoted.raw, content) != nil {
		return nil
	}
	inner, _ := kinds.Unwrap(content)
	return inner
}
