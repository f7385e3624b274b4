package phones

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/sandbox/business"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/kinds"
)

// Outgoing is a message that a phone sends.
type Outgoing struct {
	// To is a phone number, a JID or the JID of a group.
	To string
	// Kind is KindText by default.
	Kind Kind
	// Text is the text, the caption of a file, the emoji of a reaction ("" removes it), the question of a poll or the
	// new text of an edit.
	Text string
	// Mentions are the numbers or JIDs of the accounts that the text names as @number.
	Mentions []string
	// Quote is the id of the message in the same chat that this one answers.
	Quote string
	// Target is the id of the message that a vote, reaction, edit or revocation is about.
	Target string
	// Forged sends an edit or a revocation of a message that the phone may not change. Phones ignore it.
	Forged bool
	// QuoteText is the text that the quote shows instead of what the quoted message says.
	QuoteText string
	Preview   *LinkPreview
	Media     *Attachment
	Location  *Location
	Contact   *Contact
	// Options are the options of a poll, or the chosen ones of a vote. Selectable is how many options of a poll one may
	// choose. 0 means any number.
	Options    []string
	Selectable int
	ViewOnce   bool
	// Business is the message of KindBusiness. Its body is Text, and the file or the place of its header is Media or
	// Location. Quote names the request that it pays, declines or cancels. The answer of KindChoice has the id of what is
	// chosen in Options, and in Text what was filled in, as JSON.
	Business *business.Content
	// Referral is the advertisement that led to the chat.
	Referral *business.Referral
	// Forwarded says that somebody else wrote the message.
	Forwarded *kinds.Forwarded
	// Raw is the message of KindRaw, encoded as waE2E.Message. It may have unknown fields.
	Raw []byte
	// Expiration is after how many seconds the message disappears. For KindTimer it is the chat's new setting.
	Expiration uint32
	// Details are the fields of the kinds of package kinds.
	Details *kinds.Details
	// Part says to which message a file belongs, such as an album.
	Part *kinds.Part

	scripted bool
}

// OutgoingError says which field of an Outgoing is wrong, and why.
type OutgoingError struct {
	Field  string
	Reason string
}

func (e *OutgoingError) Error() string { return "message " + e.Field + ": " + e.Reason }

// Is makes errors.Is(err, ErrBadText) true for an error of the text.
func (e *OutgoingError) Is(target error) bool { return target == ErrBadText && e.Field == "text" }

// ErrOffline means that the phone is offline and cannot do this.
var ErrOffline = errors.New("the phone is offline")

const (
	maxOptions  = 12
	maxRaw      = 8 << 20 // strangers send more than an app would write
	maxVCard    = 64 << 10
	maxMentions = 1000
	secretSize  = 32
)

// check returns an *OutgoingError for the first field that does not fit the kind, or nil.
func (o *Outgoing) check() error {
	if !slices.Contains(Kinds(), o.Kind) {
		return &OutgoingError{"kind", fmt.Sprintf("%q is unknown, expected one of %v", o.Kind, Kinds())}
	}
	if err := o.checkText(); err != nil {
		return err
	}
	if err := o.checkSpecial(); err != nil {
		return err
	}
	if err := o.checkBusiness(); err != nil {
		return err
	}
	about := o.Kind.changes() || kinds.NeedsTarget(string(o.Kind))
	switch {
	case about != (o.Target != "") && o.Kind != kinds.ScheduledCall:
		if about {
			return &OutgoingError{"target", "expected the id of the message that it is about"}
		}
		return &OutgoingError{"target", "belongs to votes, reactions, edits and revocations"}
	case o.Forged && o.Kind != KindEdit && o.Kind != KindRevoke:
		return &OutgoingError{"forged", "belongs to edits and revocations"}
	case o.QuoteText != "" && o.Quote == "":
		return &OutgoingError{"quote_text", "belongs to a quote"}
	case len(o.QuoteText) > maxText || !utf8.ValidString(o.QuoteText):
		return &OutgoingError{"quote_text", fmt.Sprintf("expected at most %d bytes of UTF-8", maxText)}
	case o.Kind.hasFile() != (o.Media != nil) && o.Kind != KindBusiness:
		if o.Kind.hasFile() {
			return &OutgoingError{"media", "expected the file"}
		}
		return &OutgoingError{"media", "belongs to images, videos, audios, documents and stickers"}
	case o.Media != nil && len(o.Media.Data) == 0:
		return &OutgoingError{"media", "expected at least one byte"}
	case o.Media != nil && !o.Media.measured():
		return &OutgoingError{"media", fmt.Sprintf("expected a width, a height and seconds of 0 to %d", math.MaxUint32)}
	case (o.Kind == KindLocation) != (o.Location != nil) && o.Kind != KindBusiness:
		return &OutgoingError{"location", "belongs to the kind location, and is needed there"}
	case o.Location != nil && !o.Location.valid():
		return &OutgoingError{"location", "expected a latitude from -90 to 90 and a longitude from -180 to 180"}
	case (o.Kind == KindContact) != (o.Contact != nil):
		return &OutgoingError{"contact", "belongs to the kind contact, and is needed there"}
	case o.Contact != nil && (o.Contact.Name == "" || !strings.HasPrefix(o.Contact.VCard, "BEGIN:VCARD") || len(o.Contact.VCard) > maxVCard):
		return &OutgoingError{"contact", "expected a name and a vCard"}
	case (o.Kind == KindRaw) != (len(o.Raw) > 0):
		return &OutgoingError{"raw", "belongs to the kind raw, and is needed there"}
	case o.Kind == KindRaw && (len(o.Mentions) > 0 || o.Quote != "" || o.Expiration != 0):
		return &OutgoingError{"raw", "contains mentions, quotes and times itself; leave the other fields empty"}
	case len(o.Raw) > maxRaw || proto.Unmarshal(o.Raw, new(waE2E.Message)) != nil:
		return &OutgoingError{"raw", fmt.Sprintf("expected an encoded message of at most %d bytes", maxRaw)}
	case len(o.Mentions) > maxMentions:
		return &OutgoingError{"mentions", fmt.Sprintf("expected at most %d", maxMentions)}
	case o.Preview != nil && (o.Kind != KindText || o.Preview.URL == "" || o.Preview.Title == ""):
		return &OutgoingError{"preview", "belongs to texts, and needs a url and a title"}
	case o.ViewOnce && o.Kind != KindImage && o.Kind != KindVideo && o.Kind != KindAudio:
		return &OutgoingError{"view_once", "belongs to images, videos and audios"}
	}
	return o.checkOptions()
}

func (o *Outgoing) checkText() error {
	needed := o.Kind == KindText || o.Kind == KindPoll || o.Kind == KindEdit
	switch {
	case len(o.Text) > maxText || !utf8.ValidString(o.Text):
		return &OutgoingError{"text", fmt.Sprintf("expected at most %d bytes of UTF-8", maxText)}
	case needed && o.Text == "":
		return &OutgoingError{"text", "expected at least one character"}
	case o.Text != "" && (o.Kind == KindRevoke || o.Kind == KindVote || o.Kind == KindTimer || o.Kind == KindRaw):
		return &OutgoingError{"text", fmt.Sprintf("a %s has none", o.Kind)}
	}
	return nil
}

func (o *Outgoing) checkOptions() error {
	switch o.Kind {
	case KindPoll:
		sorted := slices.Sorted(slices.Values(o.Options))
		if len(o.Options) < 2 || len(o.Options) > maxOptions || sorted[0] == "" || len(slices.Compact(sorted)) != len(o.Options) {
			return &OutgoingError{"options", fmt.Sprintf("expected 2 to %d different ones", maxOptions)}
		}
		if o.Selectable < 0 || o.Selectable > len(o.Options) {
			return &OutgoingError{"selectable", "expected 0 (any number) up to the number of options"}
		}
	case KindVote, KindChoice:
		if o.Selectable != 0 {
			return &OutgoingError{"selectable", "belongs to polls"}
		}
	default:
		if len(o.Options) > 0 || o.Selectable != 0 {
			return &OutgoingError{"options", "belong to polls and votes"}
		}
	}
	return nil
}

func (l *Location) valid() bool {
	return math.Abs(l.Latitude) <= 90 && math.Abs(l.Longitude) <= 180
}

// finite returns a coordinate that JSON can hold. A sender may state NaN or an infinite one.
func finite(coordinate float64) float64 {
	if math.IsNaN(coordinate) || math.IsInf(coordinate, 0) {
		return 0
	}
	return coordinate
}

// codec encodes and decodes the content of a phone's messages.
type codec struct {
	*handset

	journal *journal
}

// compose builds the content of a message, and the message as the sending phone stores it.
func (p *codec) compose(out *Outgoing, to groups.Chat) (*waE2E.Message, *Message, error) {
	kept := &Message{
		Content: Content{
			Kind: out.Kind, Text: out.Text, Target: out.Target, ViewOnce: out.ViewOnce, Expiration: out.Expiration,
			Preview: out.Preview, Location: out.Location, Contact: out.Contact,
		},
		From: p.Account.JID(0), To: to.JID(), Chat: to.JID(), FromMe: true, Name: p.Name(),
		Time: time.Now(), Status: StatusSent, Copies: 1, author: p.Account, chat: to,
	}
	if out.Kind == KindRaw {
		content := new(waE2E.Message)
		if err := proto.Unmarshal(out.Raw, content); err != nil {
			return nil, nil, fmt.Errorf("sandbox: reading a raw message: %w", err)
		}
		kept.Kind = KindUnknown
		p.readContent(content, kept)
		return content, kept, nil
	}
	context, err := p.context(out, to, kept)
	if err != nil {
		return nil, nil, err
	}
	content, err := p.composeKind(out, to, kept, context)
	if err == nil {
		content, err = p.attachTo(out, to, content)
	}
	if err != nil {
		return nil, nil, err
	}
	return withSecret(wrapped(out, content), kept), kept, nil
}

// composeKind builds the content of a message by its kind.
func (p *codec) composeKind(out *Outgoing, to groups.Chat, kept *Message, context *waE2E.ContextInfo) (content *waE2E.Message, err error) {
	switch out.Kind {
	case KindText:
		return textMessage(out, context), nil
	case KindImage, KindVideo, KindAudio, KindDocument, KindSticker:
		if kept.Media, err = p.attach(out.Kind, out.Media); err != nil {
			return nil, err
		}
		return p.mediaMessage(out, kept.Media, context), nil
	case KindLocation:
		return &waE2E.Message{LocationMessage: &waE2E.LocationMessage{
			DegreesLatitude: &out.Location.Latitude, DegreesLongitude: &out.Location.Longitude,
			Name: optional(out.Location.Name), Address: optional(out.Location.Address), ContextInfo: context,
		}}, nil
	case KindContact:
		return &waE2E.Message{ContactMessage: &waE2E.ContactMessage{
			DisplayName: &out.Contact.Name, Vcard: &out.Contact.VCard, ContextInfo: context,
		}}, nil
	case KindPoll:
		return pollMessage(out, kept, context, to), nil
	case KindBusiness, KindChoice:
		return p.composeBusiness(out, to, kept, context)
	case KindTimer:
		return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type:                waE2E.ProtocolMessage_EPHEMERAL_SETTING.Enum(),
			EphemeralExpiration: &out.Expiration, EphemeralSettingTimestamp: proto.Int64(time.Now().Unix()),
		}}, nil
	default:
		if out.Kind.special() {
			return p.composeSpecial(out, to, kept)
		}
		return p.composeChange(out, to, kept)
	}
}

// wrapped says around a content that it may be viewed once, and that it disappears.
func wrapped(out *Outgoing, content *waE2E.Message) *waE2E.Message {
	if out.ViewOnce {
		content = &waE2E.Message{ViewOnceMessage: &waE2E.FutureProofMessage{Message: content}}
	}
	if out.Expiration > 0 && out.Kind != KindTimer {
		content = &waE2E.Message{EphemeralMessage: &waE2E.FutureProofMessage{Message: content}}
	}
	return content
}

// addSecret gives the message a new secret, unless it has one.
func (m *Message) addSecret() {
	if m.secret == nil {
		m.secret = make([]byte, secretSize)
		_, _ = rand.Read(m.secret)
	}
}

// withSecret adds the key with which votes and reactions are encrypted. Receivers expect it outside of all wrappings.
// Every announcement of a community has one.
func withSecret(content *waE2E.Message, kept *Message) *waE2E.Message {
	if kept.chat.Group().Community() && kept.about == nil {
		kept.addSecret()
	}
	if kept.secret != nil {
		if content.MessageContextInfo == nil {
			content.MessageContextInfo = &waE2E.MessageContextInfo{}
		}
		content.MessageContextInfo.MessageSecret = kept.secret
	}
	return content
}

func textMessage(out *Outgoing, context *waE2E.ContextInfo) *waE2E.Message {
	if context == nil && out.Preview == nil {
		return &waE2E.Message{Conversation: &out.Text}
	}
	text := &waE2E.ExtendedTextMessage{Text: &out.Text, ContextInfo: context}
	if out.Preview != nil {
		text.MatchedText, text.Title, text.Description = &out.Preview.URL, &out.Preview.Title, optional(out.Preview.Description)
	}
	return &waE2E.Message{ExtendedTextMessage: text}
}

// pollMessage builds a poll in the version that belongs to the chat and to the number of answers, see pollOf.
func pollMessage(out *Outgoing, kept *Message, context *waE2E.ContextInfo, to groups.Chat) *waE2E.Message {
	kept.Poll = &Poll{Selectable: out.Selectable}
	kept.addSecret()
	var options []*waE2E.PollCreationMessage_Option
	for _, name := range out.Options {
		options = append(options, &waE2E.PollCreationMessage_Option{OptionName: proto.String(name)})
		kept.Poll.Options = append(kept.Poll.Options, PollOption{Name: name})
	}
	poll := &waE2E.PollCreationMessage{
		Name: &out.Text, Options: options, SelectableOptionsCount: proto.Uint32(uint32(out.Selectable)), ContextInfo: context,
	}
	switch {
	case to.Group().Community():
		return &waE2E.Message{PollCreationMessageV2: poll}
	case out.Selectable == 1:
		return &waE2E.Message{PollCreationMessageV3: poll}
	default:
		return &waE2E.Message{PollCreationMessage: poll}
	}
}

// context returns the part of a message that says whom it mentions, which message it answers and when it disappears. It
// is nil if there is nothing to say.
func (p *codec) context(out *Outgoing, to groups.Chat, kept *Message) (*waE2E.ContextInfo, error) {
	var info waE2E.ContextInfo
	for _, name := range out.Mentions {
		mentioned, err := p.Net.Dir.Contact(name)
		if err != nil {
			return nil, &OutgoingError{"mentions", fmt.Sprintf("%q is not on WhatsApp", name)}
		}
		info.MentionedJID = append(info.MentionedJID, mentioned.LIDJID(0).String())
		kept.Mentions = append(kept.Mentions, mentioned.JID(0))
	}
	if out.Quote != "" {
		quoted, ok := p.quotable(to, out.Quote)
		if !ok {
			return nil, &OutgoingError{"quote", "expected the id of a message of this chat"}
		}
		info.StanzaID, info.Participant = &out.Quote, proto.String(quoted.author.JIDOn(to.Server(), 0).String())
		text := cmp.Or(out.QuoteText, quoted.Text)
		info.QuotedMessage = &waE2E.Message{Conversation: &text}
		kept.Quote = &Quote{ID: out.Quote, From: quoted.From, Text: text, Kind: KindText, Found: true}
		if quoted.chat != to {
			info.RemoteJID, kept.Quote.Chat = proto.String(quoted.chat.Hidden().String()), quoted.chat.JID().String()
		}
		if whole := quotedWhole(&quoted); whole != nil && out.QuoteText == "" {
			info.QuotedMessage = whole
			kept.Quote.Text, kept.Quote.Kind = textOf(whole), shownKind(whole)
		}
	}
	switch {
	case out.Kind == KindTimer:
	case out.Expiration > 0:
		info.Expiration = &out.Expiration
	default:
		p.timerOf(to).Mark(&info)
		kept.Expiration = info.GetExpiration()
	}
	if out.Referral != nil {
		out.Referral.AddTo(&info)
	}
	if out.Forwarded != nil {
		out.Forwarded.AddTo(&info)
	}
	if info.MentionedJID == nil && info.StanzaID == nil && info.Expiration == nil && out.Referral == nil && out.Forwarded == nil {
		return nil, nil
	}
	return &info, nil
}

// composeChange builds a message that changes another one of the same chat.
func (p *codec) composeChange(out *Outgoing, to groups.Chat, kept *Message) (*waE2E.Message, error) {
	target, ok := p.journal.inChat(to, out.Target)
	if !ok {
		return nil, &OutgoingError{"target", "expected the id of a message of this chat"}
	}
	kept.about, kept.form = target.author, formOf(editedContent(target.Kind, &out.Text))
	if !out.Forged && !target.mayChange(kept) {
		return nil, &OutgoingError{"target", "expected a message of the phone itself; to edit it, a text or caption of the last 20 minutes"}
	}
	key, now := p.journal.keyFor(&target), proto.Int64(time.Now().UnixMilli())
	switch out.Kind {
	case KindReaction:
		reaction := &waE2E.ReactionMessage{Key: key, Text: &out.Text, SenderTimestampMS: now}
		if !to.Group().Community() {
			return &waE2E.Message{ReactionMessage: reaction}, nil
		}
		encrypted, err := p.encryptedReaction(reaction, &target)
		return &waE2E.Message{EncReactionMessage: encrypted}, err
	case KindEdit:
		return &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: key, TimestampMS: now,
			EditedMessage: editedContent(target.Kind, &out.Text),
		}}}}, nil
	case KindRevoke:
		return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key}}, nil
	default:
		update, err := p.vote(out, &target, kept)
		if err != nil {
			return nil, err
		}
		update.PollCreationMessageKey, update.SenderTimestampMS = key, now
		return &waE2E.Message{PollUpdateMessage: update}, nil
	}
}
