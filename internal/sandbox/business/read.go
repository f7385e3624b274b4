package business

import (
	"cmp"
	"encoding/json"
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
)

// maxShown bounds the choices that a phone shows.
const maxShown = 1000

// Read returns what a phone reads of a message of a business or of an answer. ok false: it is neither.
func Read(m *waE2E.Message) (seen Seen, ok bool) {
	switch {
	case m.GetHighlyStructuredMessage().GetHydratedHsm() != nil:
		return Read(&waE2E.Message{TemplateMessage: m.HighlyStructuredMessage.HydratedHsm})
	case m.GetTemplateMessage().GetInteractiveMessageTemplate() != nil:
		return Read(&waE2E.Message{InteractiveMessage: m.TemplateMessage.GetInteractiveMessageTemplate()})
	case m.GetTemplateMessage() != nil:
		return readTemplate(m.TemplateMessage), true
	case m.GetButtonsMessage() != nil:
		b := m.ButtonsMessage
		seen = Seen{Text: b.GetContentText(), Shown: Shown{Header: b.GetText(), Footer: b.GetFooterText()}, File: headerOf(b), Context: b.GetContextInfo()}
		for _, button := range b.GetButtons() {
			if info := button.GetNativeFlowInfo(); info != nil {
				seen.addFlow(info.GetName(), info.GetParamsJSON())
				continue
			}
			seen.add(Choice{Kind: KindReply, ID: button.GetButtonID(), Text: button.GetButtonText().GetDisplayText()})
		}
		return seen, true
	case m.GetListMessage() != nil:
		l := m.ListMessage
		seen = Seen{Text: l.GetDescription(), Shown: Shown{Header: l.GetTitle(), Footer: l.GetFooterText()}, Context: l.GetContextInfo()}
		for _, section := range l.GetSections() {
			for _, row := range section.GetRows() {
				seen.add(Choice{Kind: KindRow, ID: row.GetRowID(), Text: row.GetTitle(), Description: row.GetDescription(), Section: section.GetTitle()})
			}
		}
		return seen, true
	case m.GetInteractiveMessage() != nil:
		i := m.InteractiveMessage
		seen = Seen{
			Text: i.GetBody().GetText(), Shown: Shown{Header: i.GetHeader().GetTitle(), Footer: i.GetFooter().GetText()},
			File: headerOf(i.GetHeader()), Context: i.GetContextInfo(),
		}
		seen.addFlows(i)
		for _, card := range i.GetCarouselMessage().GetCards() {
			seen.addFlows(card)
		}
		return seen, true
	default:
		return readRest(m)
	}
}

// Words returns the words that a quote of a message of a business shows, or "" for any other message.
func Words(m *waE2E.Message) string {
	seen, _ := Read(m)
	return cmp.Or(seen.Text, seen.Header)
}

// readRest reads what has no choices: orders and products, payments, invitations, answers.
func readRest(m *waE2E.Message) (seen Seen, ok bool) {
	switch {
	case m.GetOrderMessage() != nil:
		o := m.OrderMessage
		return Seen{Text: o.GetMessage(), Shown: Shown{Header: o.GetOrderTitle()}, Context: o.GetContextInfo()}, true
	case m.GetProductMessage() != nil:
		p := m.ProductMessage
		return Seen{Text: p.GetBody(), Shown: Shown{Header: p.GetProduct().GetTitle(), Footer: p.GetFooter()}, Context: p.GetContextInfo()}, true
	case m.GetGroupInviteMessage() != nil:
		g := m.GroupInviteMessage
		return Seen{Text: g.GetCaption(), Shown: Shown{Header: g.GetGroupName()}, Context: g.GetContextInfo()}, true
	case m.GetInvoiceMessage() != nil:
		return Seen{Text: m.InvoiceMessage.GetNote()}, true
	case m.GetRequestPaymentMessage() != nil:
		note := m.RequestPaymentMessage.GetNoteMessage().GetExtendedTextMessage()
		return Seen{Text: note.GetText(), Context: note.GetContextInfo()}, true
	case m.GetSendPaymentMessage() != nil:
		note := m.SendPaymentMessage.GetNoteMessage().GetExtendedTextMessage()
		return Seen{Text: note.GetText(), Context: note.GetContextInfo()}, true
	case m.GetDeclinePaymentRequestMessage() != nil, m.GetCancelPaymentRequestMessage() != nil, m.GetPaymentInviteMessage() != nil, m.GetPlaceholderMessage() != nil:
		return Seen{}, true
	case m.GetButtonsResponseMessage() != nil:
		b := m.ButtonsResponseMessage
		return Seen{Text: b.GetSelectedDisplayText(), Shown: Shown{Chosen: b.GetSelectedButtonID()}, Context: b.GetContextInfo()}, true
	case m.GetTemplateButtonReplyMessage() != nil:
		b := m.TemplateButtonReplyMessage
		return Seen{Text: b.GetSelectedDisplayText(), Shown: Shown{Chosen: b.GetSelectedID()}, Context: b.GetContextInfo()}, true
	case m.GetListResponseMessage() != nil:
		l := m.ListResponseMessage
		return Seen{Text: l.GetTitle(), Shown: Shown{Chosen: l.GetSingleSelectReply().GetSelectedRowID()}, Context: l.GetContextInfo()}, true
	case m.GetInteractiveResponseMessage() != nil:
		i := m.InteractiveResponseMessage
		chosen := params(i.GetNativeFlowResponseMessage().GetParamsJSON())
		return Seen{Text: i.GetBody().GetText(), Shown: Shown{Chosen: chosen.ID}, Context: i.GetContextInfo()}, true
	default:
		return Seen{}, false
	}
}

func readTemplate(m *waE2E.TemplateMessage) Seen {
	four := cmp.Or(m.GetHydratedTemplate(), m.GetHydratedFourRowTemplate())
	if four == nil { // the words are in a language pack
		return Seen{Text: strings.Join(m.GetFourRowTemplate().GetContent().GetParams(), "\n"), Context: m.GetContextInfo()}
	}
	seen := Seen{
		Text: four.GetHydratedContentText(), Shown: Shown{Header: four.GetHydratedTitleText(), Footer: four.GetHydratedFooterText()},
		File: headerOf(four), Context: m.GetContextInfo(),
	}
	for _, button := range four.GetHydratedButtons() {
		switch {
		case button.GetQuickReplyButton() != nil:
			seen.add(Choice{Kind: KindReply, ID: button.GetQuickReplyButton().GetID(), Text: button.GetQuickReplyButton().GetDisplayText()})
		case button.GetUrlButton() != nil:
			seen.add(Choice{Kind: KindURL, Text: button.GetUrlButton().GetDisplayText(), URL: button.GetUrlButton().GetURL()})
		case button.GetCallButton() != nil:
			seen.add(Choice{Kind: KindCall, Text: button.GetCallButton().GetDisplayText(), Number: button.GetCallButton().GetPhoneNumber()})
		}
	}
	return seen
}

// headerOf returns a message with the file or the place of a header, or nil.
func headerOf(m interface {
	GetDocumentMessage() *waE2E.DocumentMessage
	GetImageMessage() *waE2E.ImageMessage
	GetVideoMessage() *waE2E.VideoMessage
	GetLocationMessage() *waE2E.LocationMessage
},
) *waE2E.Message {
	switch {
	case m.GetDocumentMessage() != nil:
		return &waE2E.Message{DocumentMessage: m.GetDocumentMessage()}
	case m.GetImageMessage() != nil:
		return &waE2E.Message{ImageMessage: m.GetImageMessage()}
	case m.GetVideoMessage() != nil:
		return &waE2E.Message{VideoMessage: m.GetVideoMessage()}
	case m.GetLocationMessage() != nil:
		return &waE2E.Message{LocationMessage: m.GetLocationMessage()}
	default:
		return nil
	}
}

func (s *Shown) add(c Choice) {
	if len(s.Choices) < maxShown {
		s.Choices = append(s.Choices, c)
	}
}

func (s *Shown) addFlows(m *waE2E.InteractiveMessage) {
	for _, button := range m.GetNativeFlowMessage().GetButtons() {
		s.addFlow(button.GetName(), button.GetButtonParamsJSON())
	}
}

// flowJSON is what a phone reads of a native flow.
type flowJSON struct {
	DisplayText string `json:"display_text"`
	ID          string `json:"id"`
	URL         string `json:"url"`
	PhoneNumber string `json:"phone_number"`
	CopyCode    string `json:"copy_code"`
	FlowID      string `json:"flow_id"`
	FlowCTA     string `json:"flow_cta"`
	Sections    []struct {
		Title string `json:"title"`
		Rows  []struct {
			ID          string `json:"id"`
			Title       string `json:"title"`
			Description string `json:"description"`
		} `json:"rows"`
	} `json:"sections"`
}

// params reads the JSON of a native flow. A phone shows a button without words if it is none.
func params(text string) (out flowJSON) {
	_ = json.Unmarshal([]byte(text), &out)
	return out
}

func (s *Shown) addFlow(name, text string) {
	p := params(text)
	switch name {
	case "quick_reply":
		s.add(Choice{Kind: KindReply, ID: p.ID, Text: p.DisplayText})
	case "cta_url":
		s.add(Choice{Kind: KindURL, Text: p.DisplayText, URL: p.URL})
	case "cta_call":
		s.add(Choice{Kind: KindCall, Text: p.DisplayText, Number: p.PhoneNumber})
	case "cta_copy":
		s.add(Choice{Kind: KindCopy, Text: p.DisplayText, Code: p.CopyCode})
	case "galaxy_message":
		s.add(Choice{Kind: KindFlow, ID: p.FlowID, Text: p.FlowCTA})
	case "single_select":
		for _, section := range p.Sections {
			for _, row := range section.Rows {
				s.add(Choice{Kind: KindRow, ID: row.ID, Text: row.Title, Description: row.Description, Section: section.Title})
			}
		}
	default:
		s.add(Choice{Kind: name, Text: p.DisplayText})
	}
}

// Choose returns the answer of somebody who takes a choice of a message, as phones write it. filled is what was filled in,
// as JSON, if the choice is a form. It fails with an *Error if the message has no such choice.
func Choose(m *waE2E.Message, id, filled string, context *waE2E.ContextInfo) (*waE2E.Message, error) {
	seen, _ := Read(m)
	for i, c := range seen.Choices {
		if c.ID != id || c.Kind != KindReply && c.Kind != KindRow && c.Kind != KindFlow {
			continue
		}
		switch {
		case c.Kind == KindFlow:
			return nativeAnswer("flow", "Sent", cmp.Or(filled, "{}"), context), nil
		case m.GetButtonsMessage() != nil:
			return &waE2E.Message{ButtonsResponseMessage: &waE2E.ButtonsResponseMessage{
				SelectedButtonID: &c.ID, Response: &waE2E.ButtonsResponseMessage_SelectedDisplayText{SelectedDisplayText: c.Text},
				Type: waE2E.ButtonsResponseMessage_DISPLAY_TEXT.Enum(), ContextInfo: context,
			}}, nil
		case m.GetListMessage() != nil:
			return &waE2E.Message{ListResponseMessage: &waE2E.ListResponseMessage{
				Title: &c.Text, Description: text(c.Description), ListType: waE2E.ListResponseMessage_SINGLE_SELECT.Enum(),
				SingleSelectReply: &waE2E.ListResponseMessage_SingleSelectReply{SelectedRowID: &c.ID}, ContextInfo: context,
			}}, nil
		case c.Kind == KindRow:
			return nativeAnswer("menu_options", c.Text, encoded(map[string]string{"id": c.ID, "description": c.Description}), context), nil
		default:
			reply := &waE2E.TemplateButtonReplyMessage{SelectedID: &c.ID, SelectedDisplayText: &c.Text, SelectedIndex: proto.Uint32(uint32(i)), ContextInfo: context}
			if cards := m.GetInteractiveMessage().GetCarouselMessage().GetCards(); cards != nil {
				reply.SelectedIndex, reply.SelectedCarouselCardIndex = inCard(cards, i)
			}
			return &waE2E.Message{TemplateButtonReplyMessage: reply}, nil
		}
	}
	return nil, &Error{"options", "expected the id of a reply, a row or a form of the quoted message"}
}

// inCard returns the position of a choice within its card, and the position of the card.
func inCard(cards []*waE2E.InteractiveMessage, at int) (index, card *uint32) {
	for i := range cards {
		var shown Shown
		shown.addFlows(cards[i])
		if at < len(shown.Choices) {
			return proto.Uint32(uint32(at)), proto.Uint32(uint32(i))
		}
		at -= len(shown.Choices)
	}
	return nil, nil
}

func nativeAnswer(name, words, filled string, context *waE2E.ContextInfo) *waE2E.Message {
	return &waE2E.Message{InteractiveResponseMessage: &waE2E.InteractiveResponseMessage{
		Body: &waE2E.InteractiveResponseMessage_Body{Text: &words}, ContextInfo: context,
		InteractiveResponseMessage: &waE2E.InteractiveResponseMessage_NativeFlowResponseMessage_{
			NativeFlowResponseMessage: &waE2E.InteractiveResponseMessage_NativeFlowResponseMessage{Name: &name, ParamsJSON: &filled, Version: proto.Int32(3)},
		},
	}}
}

// MediaType returns the mediatype attribute of the ciphertext of a message (whatsmeow send.go, getMediaTypeFromMessage).
func MediaType(m *waE2E.Message) string {
	switch {
	case m.GetListMessage() != nil:
		return "list"
	case m.GetListResponseMessage() != nil:
		return "list_response"
	case m.GetButtonsResponseMessage() != nil:
		return "buttons_response"
	case m.GetOrderMessage() != nil:
		return "order"
	case m.GetProductMessage() != nil:
		return "product"
	case m.GetInteractiveResponseMessage() != nil:
		return "native_flow_response"
	default:
		return ""
	}
}
