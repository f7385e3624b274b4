package inbound

import "encoding/json"

// This file has the JSON of WhatsApp's native flows, which businesses write. Every field may be missing or of another type.

// flowParams are the parameters of a button.
type flowParams struct {
	DisplayText scalar        `json:"display_text"`
	Title       scalar        `json:"title"` // of a list: the text of the button that opens it
	Description scalar        `json:"description"`
	ID          scalar        `json:"id"`
	URL         scalar        `json:"url"`
	MerchantURL scalar        `json:"merchant_url"`
	PhoneNumber scalar        `json:"phone_number"`
	CopyCode    scalar        `json:"copy_code"`
	FlowID      scalar        `json:"flow_id"`
	FlowName    scalar        `json:"flow_name"`
	FlowCTA     scalar        `json:"flow_cta"`
	Sections    []flowSection `json:"sections"`
	flowOrder
}

type flowSection struct {
	Title scalar    `json:"title"`
	Rows  []flowRow `json:"rows"`
}

type flowRow struct {
	ID          scalar `json:"id"`
	Header      scalar `json:"header"`
	Title       scalar `json:"title"`
	Description scalar `json:"description"`
}

// flowOrder is an order, with the ways to pay it or with what became of it.
type flowOrder struct {
	ReferenceID     scalar          `json:"reference_id"`
	Type            scalar          `json:"type"`
	Currency        scalar          `json:"currency"`
	Total           *flowAmount     `json:"total_amount"`
	Order           *flowOrderParts `json:"order"`
	PaymentSettings []flowMethod    `json:"payment_settings"`
	PaymentMethod   scalar          `json:"payment_method"`
	PaymentStatus   scalar          `json:"payment_status"`
	Payment         *flowPayment    `json:"payment"`
	Note            scalar          `json:"additional_note"`
}

type flowOrderParts struct {
	Status      scalar      `json:"status"`
	Description scalar      `json:"description"`
	Items       []flowItem  `json:"items"`
	Subtotal    *flowAmount `json:"subtotal"`
	Tax         *flowAmount `json:"tax"`
	Shipping    *flowAmount `json:"shipping"`
	Discount    *flowAmount `json:"discount"`
}

type flowItem struct {
	RetailerID scalar      `json:"retailer_id"`
	ProductID  scalar      `json:"product_id"`
	Name       scalar      `json:"name"`
	Quantity   scalar      `json:"quantity"`
	Amount     *flowAmount `json:"amount"`
	SaleAmount *flowAmount `json:"sale_amount"`
}

type flowAmount struct {
	Value  scalar `json:"value"`
	Offset scalar `json:"offset"`
}

type flowPayment struct {
	Status scalar `json:"status"`
}

// flowMethod is a way to pay. The details are in the field of its type.
type flowMethod struct {
	Type        scalar             `json:"type"`
	PixStatic   *flowMethodDetails `json:"pix_static_code"`
	PixDynamic  *flowMethodDetails `json:"pix_dynamic_code"`
	PaymentLink *flowMethodDetails `json:"payment_link"`
	Boleto      *flowMethodDetails `json:"boleto"`
	UPI         *flowMethodDetails `json:"upi_intent_link"`
}

type flowMethodDetails struct {
	MerchantName  scalar `json:"merchant_name"`
	Key           scalar `json:"key"`
	KeyType       scalar `json:"key_type"`
	Code          scalar `json:"code"`
	DigitableLine scalar `json:"digitable_line"`
	URI           scalar `json:"uri"`
	Link          scalar `json:"link"`
}

// scalar is a text, or a number or a truth value as a text. Anything else is "".
type scalar string

// UnmarshalJSON implements json.Unmarshaler. It returns no error.
func (s *scalar) UnmarshalJSON(raw []byte) error {
	var text string
	switch {
	case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n':
	case raw[0] != '"':
		text = string(raw)
	default:
		_ = json.Unmarshal(raw, &text) // raw is a whole text
	}
	*s = scalar(text)
	return nil
}
