package inbound

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/message"
)

// maxParams bounds the JSON of a native flow that is read, in bytes. The apps write some hundred.
const maxParams = 64 << 10

// addFlow adds a native flow of a message: a button, the rows of a list, an order.
func (r commercial) addFlow(name, params string, out *message.Content, to *[]message.Choice) {
	p, valid := r.flowParams(params)
	text := cmp.Or(p.DisplayText, p.FlowCTA, p.Title)
	choice := message.Choice{Kind: name, ID: string(cmp.Or(p.ID, p.ReferenceID)), Text: string(text)}
	switch name {
	case "quick_reply":
		choice.Kind = message.ChoiceReply
	case "cta_url":
		choice.Kind, choice.URL = message.ChoiceURL, string(cmp.Or(p.URL, p.MerchantURL))
	case "cta_call":
		choice.Kind, choice.Number = message.ChoiceCall, string(p.PhoneNumber)
	case "cta_copy":
		choice.Kind, choice.Code = message.ChoiceCopy, string(p.CopyCode)
	case "flow", "galaxy_message":
		choice.Kind, choice.ID = message.ChoiceFlow, string(cmp.Or(p.FlowID, p.FlowName, p.ID))
	case "single_select", "menu_options":
		if len(p.Sections) > 0 {
			out.Interactive.Button = cmp.Or(out.Interactive.Button, string(text))
			r.addRows(p.Sections, to)
			return
		}
		choice.Params = params
	default:
		choice.Params = params
	}
	if !valid {
		choice.Params = params
	}
	r.offer(to, choice)
	if p.Order != nil || p.Total != nil || p.ReferenceID != "" {
		out.Order = r.flowOrder(&p.flowOrder)
		out.Text = cmp.Or(out.Text, string(p.Note))
	}
}

func (r commercial) addRows(sections []flowSection, to *[]message.Choice) {
	for _, section := range sections {
		for _, row := range section.Rows {
			r.offer(to, message.Choice{
				Kind: message.ChoiceRow, ID: string(row.ID), Text: string(cmp.Or(row.Title, row.Header)), Description: string(row.Description),
				Section: string(section.Title),
			})
		}
	}
}

// flowParams reads parameters. Fields of another type than expected are empty. valid false: they are no JSON object, or
// too large to be read.
func (r commercial) flowParams(text string) (p flowParams, valid bool) {
	if len(text) > maxParams {
		r.t.cut = true
		return p, false
	}
	valid = strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text))
	_ = json.Unmarshal([]byte(text), &p) // reads on after a field of another type
	return p, valid
}

func (r commercial) flowOrder(p *flowOrder) *message.Order {
	order := &message.Order{
		ID: string(p.ReferenceID), Type: string(p.Type), Total: p.amount(p.Total), PaidBy: string(p.PaymentMethod), PaidStatus: string(p.PaymentStatus),
	}
	if p.Payment != nil {
		order.PaidStatus = string(cmp.Or(p.PaymentStatus, p.Payment.Status))
	}
	if parts := p.Order; parts != nil {
		order.Status, order.Description = string(parts.Status), string(parts.Description)
		order.Subtotal, order.Tax, order.Shipping, order.Discount = p.amount(parts.Subtotal), p.amount(parts.Tax), p.amount(parts.Shipping), p.amount(parts.Discount)
		order.Count = count(int64(len(parts.Items)))
		for _, item := range atMost(r.t, parts.Items, maxItems) {
			quantity, _ := strconv.ParseInt(string(item.Quantity), 10, 64)
			order.Items = append(order.Items, message.OrderItem{
				ID: string(item.RetailerID), ProductID: string(item.ProductID), Name: string(item.Name), Quantity: count(quantity),
				Price: p.amount(item.Amount), SalePrice: p.amount(item.SaleAmount),
			})
		}
	}
	for _, method := range atMost(r.t, p.PaymentSettings, maxMethods) {
		order.Payments = append(order.Payments, paymentMethod(&method))
	}
	return order
}

func (p *flowOrder) amount(a *flowAmount) *message.Amount {
	if a == nil {
		return nil
	}
	offset, err := strconv.ParseInt(string(a.Offset), 10, 64)
	if err != nil && a.Offset != "" {
		return nil
	}
	return amountOf(string(a.Value), offset, string(p.Currency))
}

func paymentMethod(m *flowMethod) message.PaymentMethod {
	out := message.PaymentMethod{Type: string(m.Type)}
	for _, d := range []*flowMethodDetails{m.PixStatic, m.PixDynamic, m.PaymentLink, m.Boleto, m.UPI} {
		if d != nil {
			out.Key, out.KeyType, out.Name = string(d.Key), string(d.KeyType), string(d.MerchantName)
			out.Code, out.URL = string(cmp.Or(d.Code, d.DigitableLine)), string(cmp.Or(d.URI, d.Link))
			break
		}
	}
	return out
}

// flowAnswer returns what somebody chose in a native flow, or filled in.
func flowAnswer(m *waE2E.InteractiveResponseMessage) message.Content {
	flow := m.GetNativeFlowResponseMessage()
	answer := message.Answer{Kind: flow.GetName(), Params: flow.GetParamsJSON()}
	var p flowParams
	if len(answer.Params) <= maxParams {
		_ = json.Unmarshal([]byte(answer.Params), &p) // reads on after a field of another type
	}
	switch answer.Kind {
	case "", "quick_reply":
		answer.Kind = message.ChoiceReply
	case "single_select", "menu_options":
		answer.Kind = message.ChoiceRow
	case "flow", "galaxy_message":
		answer.Kind = message.ChoiceFlow
	}
	answer.ID, answer.Description = string(p.ID), string(p.Description)
	return answered(cmp.Or(m.GetBody().GetText(), string(p.DisplayText), string(p.Title)), answer)
}
