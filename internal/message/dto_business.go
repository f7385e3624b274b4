package message

import "time"

// This file has the JSON of what businesses write, and of what people choose, order and pay. It is only received, never
// sent.

// Business is the part of a content that is about business: what is offered, chosen, ordered and paid, and the
// advertisement that led to the chat.
type Business struct {
	Interactive *Interactive `json:"interactive,omitempty"`  // for interactive
	Answer      *Answer      `json:"answer,omitempty"`       // in a text: it was chosen, not typed
	GroupInvite *GroupInvite `json:"group_invite,omitempty"` // for group_invite
	Order       *Order       `json:"order,omitempty"`        // for order, and for an interactive message about an order
	Product     *Product     `json:"product,omitempty"`      // for product, and for an interactive message with one in its header
	Payment     *Payment     `json:"payment,omitempty"`      // for payment
	Referral    *Referral    `json:"referral,omitempty"`     // in a message of any kind
}

// The values of Interactive.Type.
const (
	InteractiveTemplate   = "template"
	InteractiveButtons    = "buttons"
	InteractiveList       = "list"
	InteractiveNativeFlow = "native_flow"
	InteractiveCarousel   = "carousel"
	InteractiveShop       = "shop"
	InteractiveCollection = "collection"
	InteractiveStructured = "highly_structured"
	InteractivePlain      = "plain" // a text with a header or a footer, and nothing to choose
)

// Interactive is a message that offers choices. Its body is Content.Text, the file of its header is Content.Media, and a
// place in its header is Content.Location.
type Interactive struct {
	// Type is template, buttons, list, native_flow, carousel, shop, collection, highly_structured or plain.
	Type     string         `json:"type"`
	ID       string         `json:"id,omitempty" clip:"1024"`          // of the template, the shop or the collection, as its author wrote it
	Header   string         `json:"header,omitempty" clip:"1024"`      // the title above the body
	Subtitle string         `json:"subtitle,omitempty" clip:"1024"`    // below the title
	Footer   string         `json:"footer,omitempty" clip:"1024"`      // below the body
	Button   string         `json:"button,omitempty"`                  // the text of the button that opens a list
	Owner    Address        `json:"owner,omitzero"`                    // the business whose products a list or a collection has
	Choices  []Choice       `json:"choices,omitempty" clip:"256"`      // in their order
	Cards    []CarouselCard `json:"cards,omitempty" clip:"20"`         // of a carousel
	Params   string         `json:"params,omitempty" clip:"4096,drop"` // WhatsApp's JSON about all of a native flow, as text
}

// The values of Choice.Kind and Answer.Kind. Any other value is WhatsApp's name of a native flow.
const (
	ChoiceReply   = "reply"   // the text goes back, with the id
	ChoiceRow     = "row"     // a row of a list; it goes back, too
	ChoiceURL     = "url"     // opens a page
	ChoiceCall    = "call"    // calls a number
	ChoiceCopy    = "copy"    // copies a code
	ChoiceProduct = "product" // shows a product
	ChoiceFlow    = "flow"    // opens a form
)

// Choice is one of the things that a message offers.
type Choice struct {
	// Kind is reply, row, url, call, copy, product or flow, otherwise WhatsApp's name of the native flow.
	Kind        string `json:"kind"`
	ID          string `json:"id,omitempty" clip:"1024"` // what an answer says; of a product or a flow its id
	Text        string `json:"text,omitempty" clip:"1024"`
	Description string `json:"description,omitempty" clip:"1024"` // of a row
	Section     string `json:"section,omitempty"`                 // the title above a row or a product
	URL         string `json:"url,omitempty" clip:"2048"`
	Number      string `json:"number,omitempty"`                  // the phone number to call, as its author wrote it
	Code        string `json:"code,omitempty" clip:"1024"`        // the text to copy
	Params      string `json:"params,omitempty" clip:"4096,drop"` // WhatsApp's JSON of a native flow, as text, if Kind is its name
}

// CarouselCard is one card of a carousel. Its file is described and cannot be fetched.
type CarouselCard struct {
	Header   string   `json:"header,omitempty" clip:"1024"`
	Subtitle string   `json:"subtitle,omitempty" clip:"1024"`
	Text     string   `json:"text,omitempty" clip:"4096"`
	Footer   string   `json:"footer,omitempty" clip:"1024"`
	Media    *Media   `json:"media,omitempty"`
	Product  *Product `json:"product,omitempty"`
	Choices  []Choice `json:"choices,omitempty" clip:"100"`
}

// Answer is what somebody chose. Content.Text is its text, and Content.Quote the message that offered it.
type Answer struct {
	// Kind is reply, row or flow, otherwise WhatsApp's name of the native flow.
	Kind        string `json:"kind"`
	ID          string `json:"id,omitempty" clip:"1024"` // the id of the choice
	Description string `json:"description,omitempty" clip:"1024"`
	Index       *int   `json:"index,omitempty"` // of a template's button, from 0
	Card        *int   `json:"card,omitempty"`  // of a carousel's card, from 0
	// Params is WhatsApp's JSON of a native flow, as text: of a form, what was filled in.
	Params string `json:"params,omitempty" clip:"32768,drop"`
}

// GroupInvite invites to a group. Content.Text is what the inviter wrote.
type GroupInvite struct {
	Group     Address   `json:"group"`
	Name      string    `json:"name,omitempty" clip:"1024"`
	Code      string    `json:"code,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Inviter   Address   `json:"inviter,omitzero"`
	Community bool      `json:"community,omitempty"` // it is a community
	Thumbnail []byte    `json:"thumbnail,omitempty"` // JPEG; base64 in JSON
}

// Amount is an exact amount of money.
type Amount struct {
	// Value is a decimal number of units of the currency, without an exponent and without zeros at its end: 1250.5.
	Value    string `json:"value"`
	Currency string `json:"currency,omitempty"` // ISO 4217, as the sender wrote it
}

// Order is an order: the cart that a customer sends, or what a business says of one. Content.Text is what the sender
// wrote about it. Content.Target is the message with the cart that a business answers.
type Order struct {
	ID          string          `json:"id,omitempty" clip:"1024"`    // the number, by which both sides know it
	Token       string          `json:"token,omitempty" clip:"1024"` // with which WhatsApp shows what is in the cart
	Title       string          `json:"title,omitempty" clip:"1024"`
	Status      string          `json:"status,omitempty"` // WhatsApp's word: inquiry, accepted, declined, pending, processing, shipped and so on
	Description string          `json:"description,omitempty" clip:"1024"`
	Type        string          `json:"type,omitempty"` // WhatsApp's word: physical-goods, digital-goods and so on
	Seller      Address         `json:"seller,omitzero"`
	Count       int             `json:"items_count,omitempty"`
	Items       []OrderItem     `json:"items,omitempty" clip:"100"` // a customer's cart names none
	Total       *Amount         `json:"total,omitempty"`
	Subtotal    *Amount         `json:"subtotal,omitempty"`
	Tax         *Amount         `json:"tax,omitempty"`
	Shipping    *Amount         `json:"shipping,omitempty"`
	Discount    *Amount         `json:"discount,omitempty"`
	Payments    []PaymentMethod `json:"payment_methods,omitempty" clip:"20"`
	PaidBy      string          `json:"paid_by,omitempty"` // WhatsApp's word for how it was paid
	PaidStatus  string          `json:"payment_status,omitempty"`
	Thumbnail   []byte          `json:"thumbnail,omitempty"` // JPEG; base64 in JSON
}

// OrderItem is one position of an order.
type OrderItem struct {
	ID        string  `json:"id,omitempty" clip:"1024"`         // the seller's
	ProductID string  `json:"product_id,omitempty" clip:"1024"` // WhatsApp's
	Name      string  `json:"name,omitempty" clip:"1024"`
	Quantity  int     `json:"quantity,omitempty"`
	Price     *Amount `json:"price,omitempty"` // of one piece
	SalePrice *Amount `json:"sale_price,omitempty"`
}

// PaymentMethod is one way to pay an order.
type PaymentMethod struct {
	Type    string `json:"type"` // WhatsApp's word: pix_static_code, pix_dynamic_code, payment_link, boleto and so on
	Key     string `json:"key,omitempty" clip:"1024"`
	KeyType string `json:"key_type,omitempty"`
	Name    string `json:"name,omitempty" clip:"1024"` // of the payee
	Code    string `json:"code,omitempty" clip:"1024"` // to copy
	URL     string `json:"url,omitempty" clip:"2048"`
}

// Product is a product of a catalog. Content.Text is what the sender wrote about it, and Content.Media its picture.
type Product struct {
	ID          string  `json:"id,omitempty"`          // WhatsApp's
	RetailerID  string  `json:"retailer_id,omitempty"` // the seller's
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty" clip:"1024"`
	URL         string  `json:"url,omitempty" clip:"2048"`
	Price       *Amount `json:"price,omitempty"`
	SalePrice   *Amount `json:"sale_price,omitempty"`
	Pictures    int     `json:"pictures,omitempty"` // how many the catalog has
	Seller      Address `json:"seller,omitzero"`
	Catalog     string  `json:"catalog,omitempty"` // the title of the catalog, if the message is about all of it
	Footer      string  `json:"footer,omitempty"`
}

// The values of Payment.Type.
const (
	PaymentRequest   = "request"
	PaymentSent      = "sent"
	PaymentDeclined  = "declined"  // a request
	PaymentCancelled = "cancelled" // a request, by who made it
	PaymentInvite    = "invite"    // to use WhatsApp's payments
	PaymentInvoice   = "invoice"
	PaymentReminder  = "reminder"
	PaymentSplit     = "split"
	PaymentSplitPaid = "split_update"
)

// Payment is about money between two people. Content.Text is the note, Content.Media an invoice's file, and
// Content.Target the request that was paid, declined or cancelled.
type Payment struct {
	// Type is request, sent, declined, cancelled, invite, invoice, reminder, split or split_update.
	Type      string    `json:"type"`
	ID        string    `json:"id,omitempty" clip:"1024"` // of a reminder or a split payment
	Status    string    `json:"status,omitempty"`         // of a reminder, WhatsApp's word
	Amount    *Amount   `json:"amount,omitempty"`
	From      Address   `json:"from,omitzero"` // who is asked to pay
	To        Address   `json:"to,omitzero"`   // who is paid
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Service   string    `json:"service,omitempty"`           // of an invite, WhatsApp's word: fbpay, novi, upi or pix
	Token     string    `json:"token,omitempty" clip:"1024"` // of an invoice
	// Transaction is what WhatsApp says of the transaction, as text.
	Transaction string        `json:"transaction,omitempty" clip:"4096,drop"`
	Parts       []PaymentPart `json:"parts,omitempty" clip:"100"` // of a split payment
}

// PaymentPart is what one person pays of a split payment.
type PaymentPart struct {
	From   Address `json:"from,omitzero"`
	Amount *Amount `json:"amount,omitempty"`
	Status string  `json:"status,omitempty"` // pending or paid
}

// Referral says what led the sender to the chat. An advertisement has a source id or a click id. Phones also write in
// ordinary chats how their owner came to the chat; then there is only EntryPoint.
type Referral struct {
	SourceType   string `json:"source_type,omitempty"` // WhatsApp's word: ad or post
	SourceID     string `json:"source_id,omitempty" clip:"1024"`
	SourceURL    string `json:"source_url,omitempty" clip:"2048"`
	SourceApp    string `json:"source_app,omitempty"` // WhatsApp's word: facebook, instagram and so on
	ClickID      string `json:"ctwa_clid,omitempty" clip:"1024"`
	AdType       string `json:"ad_type,omitempty"` // ctwa or cawc
	Advertiser   string `json:"advertiser,omitempty" clip:"1024"`
	Title        string `json:"title,omitempty" clip:"1024"`
	Body         string `json:"body,omitempty" clip:"1024"`
	MediaType    string `json:"media_type,omitempty"` // image or video
	MediaURL     string `json:"media_url,omitempty" clip:"2048"`
	ThumbnailURL string `json:"thumbnail_url,omitempty" clip:"2048"`
	Thumbnail    []byte `json:"thumbnail,omitempty"`                // JPEG; base64 in JSON
	Ref          string `json:"ref,omitempty" clip:"1024"`          // what the advertiser wrote into the link
	Greeting     string `json:"greeting,omitempty" clip:"1024"`     // the greeting that the advertisement showed
	Payload      string `json:"payload,omitempty" clip:"2048,drop"` // of the button of the greeting

	Conversion  *Conversion `json:"conversion,omitempty"`
	EntryPoint  *EntryPoint `json:"entry_point,omitempty"`
	UTMSource   string      `json:"utm_source,omitempty" clip:"1024"`
	UTMCampaign string      `json:"utm_campaign,omitempty" clip:"1024"`
	Signals     string      `json:"ctwa_signals,omitempty" clip:"2048,drop"`
	Context     []byte      `json:"ctwa_payload,omitempty" clip:"4096"` // base64 in JSON
}

// Conversion is what WhatsApp's conversion tracking says.
type Conversion struct {
	Source string `json:"source,omitempty"`
	Data   []byte `json:"data,omitempty" clip:"4096"` // base64 in JSON
	Delay  int64  `json:"delay_seconds,omitempty"`
}

// EntryPoint is how the sender came to the chat.
type EntryPoint struct {
	Source         string `json:"source,omitempty"` // WhatsApp's word: ctwa_ad, click_to_chat_link, global_search_new_chat and so on
	App            string `json:"app,omitempty"`
	Delay          int64  `json:"delay_seconds,omitempty"`
	ExternalSource string `json:"external_source,omitempty"`
	ExternalMedium string `json:"external_medium,omitempty"`
}
