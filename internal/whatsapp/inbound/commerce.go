package inbound

import (
	"strconv"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/message"
)

const (
	maxCount   = 1_000_000 // pieces of an order, pictures of a product
	maxDigit   = 30        // digits of an amount
	maxItems   = 100       // of a split payment, items of an order
	maxMethods = 20        // ways to pay an order
)

// commerce returns orders, products and payments.
func (r commercial) commerce(m *waE2E.Message) (message.Content, bool) {
	switch {
	case m.OrderMessage != nil:
		return r.order(m.GetOrderMessage()), true
	case m.ProductMessage != nil:
		return r.product(m.GetProductMessage()), true
	case m.InvoiceMessage != nil:
		return r.invoice(m.GetInvoiceMessage()), true
	case m.RequestPaymentMessage != nil:
		p := m.GetRequestPaymentMessage()
		amount := moneyOf(p.GetAmount())
		if amount == nil {
			amount = thousandths(strconv.FormatUint(p.GetAmount1000(), 10), p.GetCurrencyCodeIso4217())
		}
		return paid(r.note(m), message.Payment{
			Type: message.PaymentRequest, Amount: amount, From: r.t.parseAddress(p.GetRequestFrom()), ExpiresAt: expiry(p.GetExpiryTimestamp()),
		}), true
	case m.SendPaymentMessage != nil:
		out := paid(r.note(m), message.Payment{Type: message.PaymentSent, Transaction: m.GetSendPaymentMessage().GetTransactionData()})
		out.Target = r.ref(m.GetSendPaymentMessage().GetRequestMessageKey())
		return out, true
	case m.DeclinePaymentRequestMessage != nil:
		out := paid("", message.Payment{Type: message.PaymentDeclined})
		out.Target = r.ref(m.GetDeclinePaymentRequestMessage().GetKey())
		return out, true
	case m.CancelPaymentRequestMessage != nil:
		out := paid("", message.Payment{Type: message.PaymentCancelled})
		out.Target = r.ref(m.GetCancelPaymentRequestMessage().GetKey())
		return out, true
	case m.PaymentInviteMessage != nil:
		p := m.GetPaymentInviteMessage()
		return paid("", message.Payment{
			Type: message.PaymentInvite, Service: enumWord(p.GetServiceType(), "UNKNOWN"), ExpiresAt: expiry(p.GetExpiryTimestamp()),
		}), true
	case m.PaymentReminderMessage != nil:
		p := m.GetPaymentReminderMessage()
		return paid(p.GetDescription(), message.Payment{
			Type: message.PaymentReminder, ID: p.GetReminderID(), Status: enumWord(p.GetStatus(), "REMINDER_STATUS_UNKNOWN"), Amount: moneyOf(p.GetAmount()),
			From: r.t.parseAddress(p.GetPayerJID()), To: r.t.parseAddress(p.GetPayeeJID()),
		}), true
	case m.SplitPaymentMessage != nil:
		return r.split(m.GetSplitPaymentMessage()), true
	case m.SplitPaymentUpdateMessage != nil:
		p := m.GetSplitPaymentUpdateMessage()
		return paid("", message.Payment{Type: message.PaymentSplitPaid, ID: p.GetSplitID(), From: r.t.parseAddress(p.GetParticipantJID())}), true
	}
	return message.Content{}, false
}

func paid(text string, payment message.Payment) message.Content {
	return message.Content{Kind: message.KindPayment, Text: text, Business: message.Business{Payment: &payment}}
}

// note returns the text that goes with a payment.
func (r commercial) note(m *waE2E.Message) string {
	note := noteOf(m)
	if note == nil || noteOf(note) != nil {
		return ""
	}
	said, _ := r.standalone(note)
	return said.Text
}

func (r commercial) split(m *waE2E.SplitPaymentMessage) message.Content {
	payment := message.Payment{
		Type: message.PaymentSplit, ID: m.GetSplitID(), Amount: moneyOf(m.GetTotalAmount()), To: r.t.parseAddress(m.GetRequesterJID()),
	}
	people := atMost(r.t, m.GetParticipants(), maxItems)
	names := make([]string, len(people))
	for i, person := range people {
		names[i] = person.GetJID()
	}
	r.t.parseAddresses(names) // one statement for all of them
	for _, person := range people {
		payment.Parts = append(payment.Parts, message.PaymentPart{
			From: r.t.parseAddress(person.GetJID()), Amount: moneyOf(person.GetAmount()), Status: enumWord(person.GetStatus()),
		})
	}
	return paid(m.GetDescription(), payment)
}

// order returns a customer's cart. What is in it is on WhatsApp's server.
func (r commercial) order(m *waE2E.OrderMessage) message.Content {
	order := &message.Order{
		ID: m.GetOrderID(), Token: m.GetToken(), Title: m.GetOrderTitle(), Seller: r.t.parseAddress(m.GetSellerJID()), Count: count(int64(m.GetItemCount())),
		Thumbnail: m.GetThumbnail(),
	}
	if m.Status != nil {
		order.Status = enumWord(m.GetStatus())
	}
	if m.TotalAmount1000 != nil {
		order.Total = thousandths(strconv.FormatInt(m.GetTotalAmount1000(), 10), m.GetTotalCurrencyCode())
	}
	return message.Content{
		Kind: message.KindOrder, Text: m.GetMessage(), Target: r.ref(m.GetOrderRequestMessageID()), Business: message.Business{Order: order},
	}
}

func (r commercial) product(m *waE2E.ProductMessage) message.Content {
	p := m.GetProduct()
	product := &message.Product{
		ID: p.GetProductID(), RetailerID: p.GetRetailerID(), Title: p.GetTitle(), Description: p.GetDescription(), URL: p.GetURL(),
		Pictures: count(int64(p.GetProductImageCount())), Seller: r.t.parseAddress(m.GetBusinessOwnerJID()), Footer: m.GetFooter(),
	}
	if p != nil && p.PriceAmount1000 != nil {
		product.Price = thousandths(strconv.FormatInt(p.GetPriceAmount1000(), 10), p.GetCurrencyCode())
	}
	if p.GetSalePriceAmount1000() != 0 {
		product.SalePrice = thousandths(strconv.FormatInt(p.GetSalePriceAmount1000(), 10), p.GetCurrencyCode())
	}
	image := p.GetProductImage()
	if c := m.GetCatalog(); c != nil {
		product.Catalog = c.GetTitle()
		if product.Description == "" {
			product.Description = c.GetDescription()
		}
		if image == nil {
			image = c.GetCatalogImage()
		}
	}
	out := message.Content{Kind: message.KindProduct, Text: m.GetBody(), Business: message.Business{Product: product}}
	file, _ := r.file(&waE2E.Message{ImageMessage: image})
	out.Media = file.Media
	return out
}

// invoiceFile is the file of an invoice.
type invoiceFile struct{ *waE2E.InvoiceMessage }

func (f invoiceFile) GetDirectPath() string    { return f.GetAttachmentDirectPath() }
func (f invoiceFile) GetMediaKey() []byte      { return f.GetAttachmentMediaKey() }
func (f invoiceFile) GetFileSHA256() []byte    { return f.GetAttachmentFileSHA256() }
func (f invoiceFile) GetFileEncSHA256() []byte { return f.GetAttachmentFileEncSHA256() }
func (f invoiceFile) GetMimetype() string      { return f.GetAttachmentMimetype() }
func (invoiceFile) GetFileLength() uint64      { return 0 } // an invoice does not say it

// invoice returns an invoice. A file has the keys of an image or of a document.
func (r commercial) invoice(m *waE2E.InvoiceMessage) message.Content {
	out := paid(m.GetNote(), message.Payment{Type: message.PaymentInvoice, Token: m.GetToken()})
	kind := message.KindImage
	if m.GetAttachmentType() == waE2E.InvoiceMessage_PDF {
		kind = message.KindDocument
	}
	if m.GetAttachmentDirectPath() != "" || len(m.GetAttachmentJPEGThumbnail()) > 0 {
		out.Media = r.media(kind, invoiceFile{m})
		out.Media.Thumbnail = m.GetAttachmentJPEGThumbnail()
	}
	return out
}

// count returns a number of things that a sender chose, or 0 if nobody has as many.
func count(n int64) int {
	if n < 0 || n > maxCount {
		return 0
	}
	return int(n)
}

// expiry returns a time after which something no longer holds, or the zero time for one that no app would write. It is
// given in seconds, and as far as is known by some senders in milliseconds.
func expiry(at int64) time.Time {
	const seconds, latest = 1e11, 4102444800 // of the year 5138; the year 2100
	if at > seconds {
		at /= 1000
	}
	if at < oldest.Unix() || at > latest {
		return time.Time{}
	}
	return time.Unix(at, 0).UTC()
}

// moneyOf returns an amount, or nil if there is none or it is not exact.
func moneyOf(m *waE2E.Money) *message.Amount {
	if m == nil {
		return nil
	}
	return amountOf(strconv.FormatInt(m.GetValue(), 10), int64(m.GetOffset()), m.GetCurrencyCode())
}

// thousandths returns an amount that is given in thousandths of the currency's unit.
func thousandths(value, currency string) *message.Amount { return amountOf(value, 1000, currency) }

// amountOf returns a decimal number divided by the offset, exactly. It returns nil if the number is none, or the offset
// is no power of ten. The offset 0 stands for 1.
func amountOf(value string, offset int64, currency string) *message.Amount {
	number, negative := strings.CutPrefix(value, "-")
	whole, part, _ := strings.Cut(number, ".")
	places := len(part)
	for ; offset >= 10 && offset%10 == 0 && places <= maxDigit; offset /= 10 {
		places++
	}
	digits := whole + part
	if offset > 1 || offset < 0 || whole == "" || len(digits) > maxDigit || strings.ContainsFunc(digits, isNoDigit) {
		return nil
	}
	digits = strings.Repeat("0", max(0, places+1-len(digits))) + digits
	text := strings.TrimLeft(digits[:len(digits)-places], "0")
	if text == "" {
		text = "0"
	}
	if rest := strings.TrimRight(digits[len(digits)-places:], "0"); rest != "" {
		text += "." + rest
	}
	if negative && text != "0" {
		text = "-" + text
	}
	return &message.Amount{Value: text, Currency: currency}
}
