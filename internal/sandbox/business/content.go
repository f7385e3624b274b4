// Package business writes and reads the messages of businesses as business accounts and phones do: offers with choices,
// orders, products, payments, invitations, and the answers of those who choose.
//
// It owns the shapes of these messages. It neither encrypts nor sends anything, and knows no phone.
package business

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"
)

// Form is how a message is encoded.
type Form string

// The forms of messages.
const (
	FormTemplate    Form = "template"             // filled in by its author
	FormFourRow     Form = "template_four_row"    // with the words of a language pack
	FormEmbedded    Form = "template_interactive" // with native flows
	FormStructured  Form = "structured"           // a template within a structured message
	FormButtons     Form = "buttons"
	FormList        Form = "list"
	FormProducts    Form = "product_list"
	FormNativeFlow  Form = "native_flow"
	FormCarousel    Form = "carousel"
	FormShop        Form = "shop"
	FormCollection  Form = "collection"
	FormInvite      Form = "group_invite"
	FormOrder       Form = "order"         // the cart of a customer
	FormOrderDetail Form = "order_details" // an order to pay
	FormOrderStatus Form = "order_status"
	FormProduct     Form = "product"
	FormRequest     Form = "payment_request"
	FormPayment     Form = "payment"
	FormDecline     Form = "payment_decline"
	FormCancel      Form = "payment_cancel"
	FormPayInvite   Form = "payment_invite"
	FormInvoice     Form = "invoice"
	FormMasked      Form = "masked" // a code that linked devices get a placeholder for
)

// Forms lists the forms.
func Forms() []Form {
	return []Form{
		FormTemplate, FormFourRow, FormEmbedded, FormStructured, FormButtons, FormList, FormProducts, FormNativeFlow, FormCarousel, FormShop, FormCollection,
		FormInvite, FormOrder, FormOrderDetail, FormOrderStatus, FormProduct, FormRequest, FormPayment, FormDecline, FormCancel, FormPayInvite, FormInvoice, FormMasked,
	}
}

// The kinds of choices. In native flows any other kind is the name of the flow.
const (
	KindReply = "reply"
	KindRow   = "row"
	KindURL   = "url"
	KindCall  = "call"
	KindCopy  = "copy"
	KindFlow  = "flow"
)

// Content is a message of a business. Its body is the text of the message that carries it, and so are its file and its
// place.
type Content struct {
	Form     Form     `json:"form" doc:"how it is encoded: template, buttons, list, native_flow, order and so on" need:"yes"`
	ID       string   `json:"id,omitempty" doc:"id of the template, shop or collection; number of the order; token of an invoice"`
	Header   string   `json:"header,omitempty" doc:"title above the body; title of an order"`
	Subtitle string   `json:"subtitle,omitempty" doc:"below the title, in native flows"`
	Footer   string   `json:"footer,omitempty" doc:"below the body"`
	Button   string   `json:"button,omitempty" doc:"text of the button that opens a list"`
	Choices  []Choice `json:"choices,omitempty" doc:"what is offered"`
	Cards    []Card   `json:"cards,omitempty" doc:"cards of a carousel"`
	Items    []Item   `json:"items,omitempty" doc:"items of an order; the product of a product message"`
	Count    int      `json:"count,omitempty" doc:"number of items in a cart"`
	Token    string   `json:"token,omitempty" doc:"token of a cart"`
	Status   string   `json:"status,omitempty" doc:"status of an order"`
	Currency string   `json:"currency,omitempty" doc:"ISO 4217"`
	Amount   int64    `json:"amount,omitempty" doc:"total in thousandths of the currency's unit"`
	Account  string   `json:"account,omitempty" doc:"JID: of the seller, or of whom money is asked"`
	Service  string   `json:"service,omitempty" doc:"service of an invitation to pay: FBPAY, NOVI, UPI or PIX"`
	PixKey   string   `json:"pix_key,omitempty" doc:"key to which an order is paid"`
	Group    string   `json:"group,omitempty" doc:"JID of the group of an invitation"`
	Code     string   `json:"code,omitempty" doc:"code of the invitation to a group"`
	Expires  int64    `json:"expires,omitempty" doc:"when an invitation or a request for money expires, in seconds since 1970"`
}

// Choice is one of the things that are offered.
type Choice struct {
	Kind        string `json:"kind" doc:"reply, row, url, call, copy or flow, otherwise the name of a native flow"`
	ID          string `json:"id,omitempty" doc:"what an answer says; id of a form"`
	Text        string `json:"text,omitempty" doc:"what people see"`
	Description string `json:"description,omitempty" doc:"of a row"`
	Section     string `json:"section,omitempty" doc:"title above a row"`
	URL         string `json:"url,omitempty" doc:"page to open"`
	Number      string `json:"number,omitempty" doc:"phone number to call"`
	Code        string `json:"code,omitempty" doc:"text to copy"`
	Params      string `json:"params,omitempty" doc:"JSON of a native flow of another kind"`
}

// Card is a card of a carousel.
type Card struct {
	Header  string   `json:"header,omitempty" doc:"title"`
	Text    string   `json:"text,omitempty" doc:"body"`
	Footer  string   `json:"footer,omitempty" doc:"below the body"`
	Choices []Choice `json:"choices,omitempty" doc:"what is offered"`
}

// Item is a product.
type Item struct {
	ID          string `json:"id,omitempty" doc:"the seller's id"`
	ProductID   string `json:"product_id,omitempty" doc:"WhatsApp's id"`
	Name        string `json:"name,omitempty" doc:"name"`
	Description string `json:"description,omitempty" doc:"description"`
	URL         string `json:"url,omitempty" doc:"page of the product"`
	Quantity    int    `json:"quantity,omitempty" doc:"number of pieces"`
	Price       int64  `json:"price,omitempty" doc:"in thousandths of the currency's unit"`
}

// Referral is the advertisement that led to a chat.
type Referral struct {
	SourceType string `json:"source_type,omitempty" doc:"ad or post"`
	SourceID   string `json:"source_id,omitempty" doc:"id of the advertisement"`
	SourceURL  string `json:"source_url,omitempty" doc:"its page"`
	SourceApp  string `json:"source_app,omitempty" doc:"where it was shown: facebook, instagram and so on"`
	ClickID    string `json:"ctwa_clid,omitempty" doc:"id of the click"`
	Title      string `json:"title,omitempty" doc:"its title"`
	Body       string `json:"body,omitempty" doc:"its text"`
	MediaURL   string `json:"media_url,omitempty" doc:"its picture"`
	Thumbnail  []byte `json:"thumbnail,omitempty" doc:"a small JPEG, in base64"`
	EntryPoint string `json:"entry_point,omitempty" doc:"how the sender came to the chat: ctwa_ad, global_search_new_chat and so on"`
}

// Shown is what a phone shows of a message of a business, and of an answer.
type Shown struct {
	Header  string   `json:"header,omitempty" doc:"title above the text"`
	Footer  string   `json:"footer,omitempty" doc:"below the text"`
	Choices []Choice `json:"choices,omitempty" doc:"what is offered"`
	Chosen  string   `json:"chosen,omitempty" doc:"id of what was chosen"`
}

// Seen is what a phone reads of a message.
type Seen struct {
	Shown
	Text    string
	File    *waE2E.Message // the message with the file or the place of its header; nil: none
	Context *waE2E.ContextInfo
}

// Error says which field of a Content is wrong, and why.
type Error struct {
	Field  string
	Reason string
}

func (e *Error) Error() string { return "message " + e.Field + ": " + e.Reason }

// maxChoices bounds the choices of a message. The apps refuse more than ten; a stranger's program does not.
const maxChoices = 20_000

// Check returns an *Error for the first field that is wrong.
func (m *Content) Check() error {
	most := fmt.Sprintf("expected at most %d", maxChoices)
	_, service := waE2E.PaymentInviteMessage_ServiceType_value[strings.ToUpper(m.Service)]
	switch {
	case !slices.Contains(Forms(), m.Form):
		return &Error{"business.form", fmt.Sprintf("%q is unknown, expected one of %v", m.Form, Forms())}
	case len(m.Choices) > maxChoices:
		return &Error{"business.choices", most}
	case len(m.Cards) > maxChoices:
		return &Error{"business.cards", most}
	case len(m.Items) > maxChoices:
		return &Error{"business.items", most}
	case m.Form == FormProduct && len(m.Items) != 1:
		return &Error{"business.items", "expected the product, and no other"}
	case m.Service != "" && !service:
		return &Error{"business.service", "expected FBPAY, NOVI, UPI or PIX"}
	case m.Amount < 0:
		return &Error{"business.amount", "expected at least 0"}
	case m.Count < 0 || m.Count > math.MaxInt32:
		return &Error{"business.count", fmt.Sprintf("expected 0 to %d", math.MaxInt32)}
	case m.Expires < 0:
		return &Error{"business.expires", "expected seconds since 1970"}
	}
	return m.checkItems()
}

// checkItems returns an *Error for the first item that is wrong.
func (m *Content) checkItems() error {
	for i, item := range m.Items {
		switch field := fmt.Sprintf("business.items[%d]", i); {
		case item.Quantity < 0 || item.Quantity > math.MaxInt32:
			return &Error{field + ".quantity", fmt.Sprintf("expected 0 to %d", math.MaxInt32)}
		case item.Price < 0:
			return &Error{field + ".price", "expected at least 0"}
		}
	}
	return nil
}
