package message

import "cmp"

// The kinds of what businesses write, and of orders and payments. They are only received, never sent.
const (
	KindInteractive Kind = "interactive"  // a message that offers choices: a template, buttons, a list and so on
	KindGroupInvite Kind = "group_invite" // an invitation to a group that was sent as a message
	KindOrder       Kind = "order"
	KindProduct     Kind = "product"
	KindPayment     Kind = "payment" // a payment, a request for one, an invoice
)

// BusinessKinds lists the kinds of what businesses write, and of orders and payments.
func BusinessKinds() []Kind {
	return []Kind{KindInteractive, KindGroupInvite, KindOrder, KindProduct, KindPayment}
}

// Words returns the words that a quote of the content shows: its text, otherwise a title.
func (c *Content) Words() string {
	switch {
	case c.Event != nil:
		return c.Event.Name
	case c.Call != nil:
		return c.Call.Title
	case c.StickerPack != nil:
		return c.StickerPack.Name
	case c.Text != "":
		return c.Text
	case c.Poll != nil:
		return c.Poll.Question
	case c.Interactive != nil && c.Interactive.Header != "":
		return c.Interactive.Header
	case c.Product != nil:
		return cmp.Or(c.Product.Title, c.Product.Catalog)
	case c.Order != nil:
		return c.Order.Title
	case c.GroupInvite != nil:
		return c.GroupInvite.Name
	case c.Location != nil:
		return c.Location.Name
	case len(c.Contacts) > 0:
		return c.Contacts[0].Name
	case c.Media != nil:
		return c.Media.Name
	default:
		return ""
	}
}
