package inbound

import (
	"cmp"
	"slices"
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	eventlog "wasup/internal/events"
	"wasup/internal/message"
)

// How much of an offer is read. message.Choice and message.CarouselCard have the same limits.
const (
	maxChoices = 256
	maxCards   = 20
)

// commercial reads what businesses write, and what people order and pay.
type commercial struct{ *reading }

// business returns what businesses write, and what people choose, order and pay.
func (r commercial) business(m *waE2E.Message) (message.Content, bool) {
	switch {
	case m.TemplateMessage != nil:
		return r.template(m.GetTemplateMessage()), true
	case m.HighlyStructuredMessage != nil:
		return r.structured(m.GetHighlyStructuredMessage()), true
	case m.ButtonsMessage != nil:
		return r.buttons(m.GetButtonsMessage()), true
	case m.ListMessage != nil:
		return r.list(m.GetListMessage()), true
	case m.InteractiveMessage != nil:
		return r.interactive(m.GetInteractiveMessage()), true
	case m.GroupInviteMessage != nil:
		return r.groupInvite(m.GetGroupInviteMessage()), true
	}
	if out, ok := answerOf(m); ok {
		return out, true
	}
	return r.commerce(m)
}

// offering returns a message that offers choices.
func offering(of, text string) message.Content {
	return message.Content{
		Kind: message.KindInteractive, Text: text, Business: message.Business{Interactive: &message.Interactive{Type: of}},
	}
}

// offer adds choices to a list that is not longer than maxChoices.
func (r commercial) offer(list *[]message.Choice, more ...message.Choice) {
	*list = append(*list, atMost(r.t, more, maxChoices-len(*list))...)
}

// headed is implemented by all messages with a header that can be a file or a place.
type headed interface {
	GetDocumentMessage() *waE2E.DocumentMessage
	GetImageMessage() *waE2E.ImageMessage
	GetVideoMessage() *waE2E.VideoMessage
	GetLocationMessage() *waE2E.LocationMessage
}

// addHeader adds the file or the place of a header.
func (r commercial) addHeader(m headed, out *message.Content) {
	file, _ := r.file(&waE2E.Message{
		DocumentMessage: m.GetDocumentMessage(), ImageMessage: m.GetImageMessage(), VideoMessage: m.GetVideoMessage(),
	})
	out.Media, out.Text = file.Media, cmp.Or(out.Text, file.Text)
	if l := m.GetLocationMessage(); l != nil && onEarth(l.GetDegreesLatitude(), l.GetDegreesLongitude()) {
		out.Location = &message.Location{
			Latitude: l.GetDegreesLatitude(), Longitude: l.GetDegreesLongitude(), Name: l.GetName(), Address: l.GetAddress(),
		}
	}
}

// template returns a template. Its author filled it in, or it contains an interactive message, or it names the words of
// a language pack that only phones have.
func (r commercial) template(m *waE2E.TemplateMessage) message.Content {
	hydrated := cmp.Or(m.GetHydratedTemplate(), m.GetHydratedFourRowTemplate())
	switch {
	case m.GetInteractiveMessageTemplate() != nil:
		out := r.interactive(m.GetInteractiveMessageTemplate())
		out.Interactive.ID = cmp.Or(out.Interactive.ID, m.GetTemplateID())
		return out
	case hydrated != nil:
		out := offering(message.InteractiveTemplate, hydrated.GetHydratedContentText())
		to := out.Interactive
		to.ID = cmp.Or(m.GetTemplateID(), hydrated.GetTemplateID())
		to.Header, to.Footer = hydrated.GetHydratedTitleText(), hydrated.GetHydratedFooterText()
		for _, button := range hydrated.GetHydratedButtons() {
			r.offer(&to.Choices, hydratedChoice(button))
		}
		r.addHeader(hydrated, &out)
		return out
	default:
		four := m.GetFourRowTemplate()
		out := offering(message.InteractiveTemplate, structuredText(four.GetContent()))
		to := out.Interactive
		to.ID = m.GetTemplateID()
		to.Header, to.Footer = structuredText(four.GetHighlyStructuredMessage()), structuredText(four.GetFooter())
		for _, button := range four.GetButtons() {
			r.offer(&to.Choices, templateChoice(button))
		}
		r.addHeader(four, &out)
		return out
	}
}

func hydratedChoice(m *waE2E.HydratedTemplateButton) message.Choice {
	switch {
	case m.GetUrlButton() != nil:
		return message.Choice{Kind: message.ChoiceURL, Text: m.GetUrlButton().GetDisplayText(), URL: m.GetUrlButton().GetURL()}
	case m.GetCallButton() != nil:
		return message.Choice{Kind: message.ChoiceCall, Text: m.GetCallButton().GetDisplayText(), Number: m.GetCallButton().GetPhoneNumber()}
	default:
		return message.Choice{Kind: message.ChoiceReply, Text: m.GetQuickReplyButton().GetDisplayText(), ID: m.GetQuickReplyButton().GetID()}
	}
}

func templateChoice(m *waE2E.TemplateButton) message.Choice {
	switch {
	case m.GetUrlButton() != nil:
		return message.Choice{
			Kind: message.ChoiceURL, Text: structuredText(m.GetUrlButton().GetDisplayText()), URL: structuredText(m.GetUrlButton().GetURL()),
		}
	case m.GetCallButton() != nil:
		return message.Choice{
			Kind: message.ChoiceCall, Text: structuredText(m.GetCallButton().GetDisplayText()), Number: structuredText(m.GetCallButton().GetPhoneNumber()),
		}
	default:
		return message.Choice{
			Kind: message.ChoiceReply, Text: structuredText(m.GetQuickReplyButton().GetDisplayText()), ID: m.GetQuickReplyButton().GetID(),
		}
	}
}

// structured returns a message whose words are in a language pack, with the parameters that its author gave.
func (r commercial) structured(m *waE2E.HighlyStructuredMessage) message.Content {
	if hydrated := m.GetHydratedHsm(); hydrated != nil {
		out := r.template(hydrated)
		out.Interactive.ID = cmp.Or(out.Interactive.ID, m.GetElementName())
		return out
	}
	out := offering(message.InteractiveStructured, structuredText(m))
	out.Interactive.ID = m.GetElementName()
	return out
}

// structuredText returns what a message says apart from the words of its language pack: the parameters, one a line.
func structuredText(m *waE2E.HighlyStructuredMessage) string {
	if len(m.GetParams()) > 0 {
		return strings.Join(m.GetParams(), "\n")
	}
	var list []string
	for _, param := range m.GetLocalizableParams() {
		list = append(list, param.GetDefault())
	}
	return strings.Join(list, "\n")
}

func (r commercial) buttons(m *waE2E.ButtonsMessage) message.Content {
	out := offering(message.InteractiveButtons, m.GetContentText())
	to := out.Interactive
	to.Header, to.Footer = m.GetText(), m.GetFooterText()
	for _, button := range m.GetButtons() {
		if info := button.GetNativeFlowInfo(); info != nil {
			r.addFlow(info.GetName(), info.GetParamsJSON(), &out, &to.Choices)
			continue
		}
		r.offer(&to.Choices, message.Choice{Kind: message.ChoiceReply, ID: button.GetButtonID(), Text: button.GetButtonText().GetDisplayText()})
	}
	r.addHeader(m, &out)
	return out
}

func (r commercial) list(m *waE2E.ListMessage) message.Content {
	out := offering(message.InteractiveList, m.GetDescription())
	to, products := out.Interactive, m.GetProductListInfo()
	to.Header, to.Footer, to.Button = m.GetTitle(), m.GetFooterText(), m.GetButtonText()
	for _, section := range m.GetSections() {
		for _, row := range section.GetRows() {
			r.offer(&to.Choices, message.Choice{
				Kind: message.ChoiceRow, ID: row.GetRowID(), Text: row.GetTitle(), Description: row.GetDescription(), Section: section.GetTitle(),
			})
		}
	}
	for _, section := range products.GetProductSections() {
		for _, product := range section.GetProducts() {
			r.offer(&to.Choices, message.Choice{Kind: message.ChoiceProduct, ID: product.GetProductID(), Section: section.GetTitle()})
		}
	}
	to.Owner = r.t.parseAddress(products.GetBusinessOwnerJID())
	out.Media = picture(products.GetHeaderImage().GetJPEGThumbnail())
	return out
}

// picture describes a file of which a message has only a small picture.
func picture(thumbnail []byte) *message.Media {
	if len(thumbnail) == 0 {
		return nil
	}
	return &message.Media{Mime: "image/jpeg", Thumbnail: thumbnail}
}

// interactive returns a message with native flows, a carousel, a shop or a collection.
func (r commercial) interactive(m *waE2E.InteractiveMessage) message.Content {
	out := r.card(m)
	to := out.Interactive
	switch {
	case m.GetCarouselMessage() != nil:
		to.Type = message.InteractiveCarousel
		for _, card := range atMost(r.t, m.GetCarouselMessage().GetCards(), maxCards) {
			said := r.card(card)
			if said.Media != nil { // an event has one file
				said.Media.ID, said.Media.Remote = "", nil
			}
			to.Cards = append(to.Cards, message.CarouselCard{
				Header: said.Interactive.Header, Subtitle: said.Interactive.Subtitle, Text: said.Text, Footer: said.Interactive.Footer,
				Media: said.Media, Product: said.Product, Choices: said.Interactive.Choices,
			})
		}
	case m.GetShopStorefrontMessage() != nil:
		to.Type, to.ID = message.InteractiveShop, m.GetShopStorefrontMessage().GetID()
	case m.GetCollectionMessage() != nil:
		to.Type, to.ID = message.InteractiveCollection, m.GetCollectionMessage().GetID()
		to.Owner = r.t.parseAddress(m.GetCollectionMessage().GetBizJID())
	}
	return out
}

// card returns an interactive message without what it contains in turn.
func (r commercial) card(m *waE2E.InteractiveMessage) message.Content {
	out := offering(message.InteractivePlain, m.GetBody().GetText())
	to, header := out.Interactive, m.GetHeader()
	to.Header, to.Subtitle, to.Footer = header.GetTitle(), header.GetSubtitle(), m.GetFooter().GetText()
	r.addHeader(header, &out)
	if product := header.GetProductMessage(); product != nil {
		shown := r.product(product)
		out.Product, out.Media, out.Text = shown.Product, shown.Media, cmp.Or(out.Text, shown.Text)
	}
	if sound := m.GetFooter().GetAudioMessage(); sound != nil && out.Media == nil {
		file, _ := r.file(&waE2E.Message{AudioMessage: sound})
		out.Media = file.Media
	}
	if out.Media == nil {
		out.Media = picture(header.GetJPEGThumbnail())
	}
	if flows := m.GetNativeFlowMessage(); flows != nil {
		to.Type = message.InteractiveNativeFlow
		if params := flows.GetMessageParamsJSON(); params != "{}" {
			to.Params = params
		}
		for _, button := range atMost(r.t, flows.GetButtons(), maxChoices) {
			r.addFlow(button.GetName(), button.GetButtonParamsJSON(), &out, &to.Choices)
		}
	}
	return out
}

func (r commercial) groupInvite(m *waE2E.GroupInviteMessage) message.Content {
	invite := &message.GroupInvite{
		Name: m.GetGroupName(), Code: m.GetInviteCode(), ExpiresAt: expiry(m.GetInviteExpiration()), Inviter: r.t.address(r.event.Info.Sender, r.event.Info.SenderAlt),
		Community: m.GetGroupType() == waE2E.GroupInviteMessage_PARENT, Thumbnail: m.GetJPEGThumbnail(),
	}
	if group, ok := parseJID(m.GetGroupJID()); ok && group.Server == types.GroupServer {
		invite.Group = addressOf(group)
	}
	return message.Content{Kind: message.KindGroupInvite, Text: m.GetCaption(), Business: message.Business{GroupInvite: invite}}
}

// answerOf returns what somebody chose among what a business offered.
func answerOf(m *waE2E.Message) (message.Content, bool) {
	switch {
	case m.ButtonsResponseMessage != nil:
		b := m.GetButtonsResponseMessage()
		return answered(b.GetSelectedDisplayText(), message.Answer{Kind: message.ChoiceReply, ID: b.GetSelectedButtonID()}), true
	case m.TemplateButtonReplyMessage != nil:
		b := m.GetTemplateButtonReplyMessage()
		return answered(b.GetSelectedDisplayText(), message.Answer{
			Kind: message.ChoiceReply, ID: b.GetSelectedID(), Index: place(b.SelectedIndex), Card: place(b.SelectedCarouselCardIndex),
		}), true
	case m.ListResponseMessage != nil:
		l := m.GetListResponseMessage()
		return answered(l.GetTitle(), message.Answer{
			Kind: message.ChoiceRow, ID: l.GetSingleSelectReply().GetSelectedRowID(), Description: l.GetDescription(),
		}), true
	case m.InteractiveResponseMessage != nil:
		return flowAnswer(m.GetInteractiveResponseMessage()), true
	}
	return message.Content{}, false
}

// answered returns a chosen answer. Without a text its id says what was chosen.
func answered(text string, answer message.Answer) message.Content {
	out := message.TextOf(cmp.Or(text, answer.ID))
	out.Answer = &answer
	return out
}

// place returns the position of a choice, or nil for none and for one where no choice can be.
func place(n *uint32) *int {
	if n == nil || *n >= maxChoices {
		return nil
	}
	at := int(*n)
	return &at
}

// withheld translates a message that WhatsApp shows on the phone only, such as a code for logging in: linked devices get
// a placeholder.
func (t *translation) withheld(info *types.MessageInfo, m *waE2E.PlaceholderMessage) []eventlog.Event {
	data := t.data(info, nil)
	data.Unavailable = strings.ToLower(m.GetType().String())
	return []eventlog.Event{t.event(eventlog.TypeUndecryptable, messageKey(info), data, nil)}
}

// innerContext returns the context of what a message about business contains, or nil: a template's interactive message,
// a note about a payment.
func innerContext(m *waE2E.Message) *waE2E.ContextInfo {
	hsm := m.GetHighlyStructuredMessage().GetHydratedHsm()
	for _, info := range []*waE2E.ContextInfo{
		m.GetTemplateMessage().GetInteractiveMessageTemplate().GetContextInfo(), hsm.GetContextInfo(), hsm.GetInteractiveMessageTemplate().GetContextInfo(),
	} {
		if info != nil {
			return info
		}
	}
	if note := noteOf(m); note != nil && noteOf(note) == nil {
		return contextOf(note)
	}
	return nil
}

// noteOf returns the message that goes with a payment, or nil.
func noteOf(m *waE2E.Message) *waE2E.Message {
	note := cmp.Or(m.GetRequestPaymentMessage().GetNoteMessage(), m.GetSendPaymentMessage().GetNoteMessage())
	note, _ = unwrapped(note)
	return note
}

// enumWord returns WhatsApp's word for a value in lower case, or "" for one of those that say nothing.
func enumWord(value interface{ String() string }, nothing ...string) string {
	word := value.String()
	if slices.Contains(nothing, word) {
		return ""
	}
	return strings.ToLower(word)
}
