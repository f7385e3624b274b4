package business

import (
	"encoding/json"
	"strings"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
)

// Parts is what a message has besides its fields.
type Parts struct {
	Text    string
	File    *waE2E.Message // the file of the header, or its place; nil: none
	Context *waE2E.ContextInfo
	Request *waCommon.MessageKey // the request that is paid, declined or cancelled
}

// Compose encodes a message that was checked.
func (m *Content) Compose(p Parts) *waE2E.Message {
	switch m.Form {
	case FormTemplate:
		return &waE2E.Message{TemplateMessage: m.template(p)}
	case FormStructured:
		return &waE2E.Message{HighlyStructuredMessage: &waE2E.HighlyStructuredMessage{ElementName: text(m.ID), HydratedHsm: m.template(p)}}
	case FormFourRow:
		return &waE2E.Message{TemplateMessage: m.fourRow(p)}
	case FormEmbedded:
		return &waE2E.Message{TemplateMessage: &waE2E.TemplateMessage{
			TemplateID: text(m.ID), Format: &waE2E.TemplateMessage_InteractiveMessageTemplate{InteractiveMessageTemplate: m.interactive(p)},
		}}
	case FormButtons:
		return &waE2E.Message{ButtonsMessage: m.buttons(p)}
	case FormList, FormProducts:
		return &waE2E.Message{ListMessage: m.list(p)}
	case FormInvite:
		return &waE2E.Message{GroupInviteMessage: &waE2E.GroupInviteMessage{
			GroupJID: &m.Group, InviteCode: &m.Code, InviteExpiration: &m.Expires, GroupName: text(m.Header), Caption: text(p.Text), ContextInfo: p.Context,
		}}
	case FormNativeFlow, FormCarousel, FormShop, FormCollection, FormOrderDetail, FormOrderStatus:
		return &waE2E.Message{InteractiveMessage: m.interactive(p)}
	case FormMasked:
		masked := m.template(p)
		masked.HydratedTemplate.MaskLinkedDevices = proto.Bool(true)
		return &waE2E.Message{TemplateMessage: masked}
	default:
		return m.commerce(p)
	}
}

// Placeholder returns what linked devices get instead of the message, or nil if they get the message.
func (m *Content) Placeholder() *waE2E.Message {
	if m.Form != FormMasked {
		return nil
	}
	return &waE2E.Message{PlaceholderMessage: &waE2E.PlaceholderMessage{Type: waE2E.PlaceholderMessage_MASK_LINKED_DEVICES.Enum()}}
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (m *Content) template(p Parts) *waE2E.TemplateMessage {
	four := &waE2E.TemplateMessage_HydratedFourRowTemplate{HydratedContentText: &p.Text, HydratedFooterText: text(m.Footer), TemplateID: text(m.ID)}
	switch {
	case p.File.GetDocumentMessage() != nil:
		four.Title = &waE2E.TemplateMessage_HydratedFourRowTemplate_DocumentMessage{DocumentMessage: p.File.DocumentMessage}
	case p.File.GetImageMessage() != nil:
		four.Title = &waE2E.TemplateMessage_HydratedFourRowTemplate_ImageMessage{ImageMessage: p.File.ImageMessage}
	case p.File.GetVideoMessage() != nil:
		four.Title = &waE2E.TemplateMessage_HydratedFourRowTemplate_VideoMessage{VideoMessage: p.File.VideoMessage}
	case p.File.GetLocationMessage() != nil:
		four.Title = &waE2E.TemplateMessage_HydratedFourRowTemplate_LocationMessage{LocationMessage: p.File.LocationMessage}
	case m.Header != "":
		four.Title = &waE2E.TemplateMessage_HydratedFourRowTemplate_HydratedTitleText{HydratedTitleText: m.Header}
	}
	for i, c := range m.Choices {
		button := &waE2E.HydratedTemplateButton{Index: proto.Uint32(uint32(i))}
		switch c.Kind {
		case KindURL:
			button.HydratedButton = &waE2E.HydratedTemplateButton_UrlButton{UrlButton: &waE2E.HydratedTemplateButton_HydratedURLButton{DisplayText: &c.Text, URL: &c.URL}}
		case KindCall:
			button.HydratedButton = &waE2E.HydratedTemplateButton_CallButton{CallButton: &waE2E.HydratedTemplateButton_HydratedCallButton{DisplayText: &c.Text, PhoneNumber: &c.Number}}
		default:
			button.HydratedButton = &waE2E.HydratedTemplateButton_QuickReplyButton{QuickReplyButton: &waE2E.HydratedTemplateButton_HydratedQuickReplyButton{DisplayText: &c.Text, ID: &c.ID}}
		}
		four.HydratedButtons = append(four.HydratedButtons, button)
	}
	// Phones expect the template in both places.
	return &waE2E.TemplateMessage{
		HydratedTemplate: four, Format: &waE2E.TemplateMessage_HydratedFourRowTemplate_{HydratedFourRowTemplate: four}, TemplateID: text(m.ID), ContextInfo: p.Context,
	}
}

func (m *Content) fourRow(p Parts) *waE2E.TemplateMessage {
	words := func(s string) *waE2E.HighlyStructuredMessage {
		return &waE2E.HighlyStructuredMessage{ElementName: text(m.ID), Params: []string{s}}
	}
	four := &waE2E.TemplateMessage_FourRowTemplate{Content: words(p.Text)}
	if m.Footer != "" {
		four.Footer = words(m.Footer)
	}
	if m.Header != "" {
		four.Title = &waE2E.TemplateMessage_FourRowTemplate_HighlyStructuredMessage{HighlyStructuredMessage: words(m.Header)}
	}
	for i, c := range m.Choices {
		button := &waE2E.TemplateButton{Index: proto.Uint32(uint32(i))}
		switch c.Kind {
		case KindURL:
			button.Button = &waE2E.TemplateButton_UrlButton{UrlButton: &waE2E.TemplateButton_URLButton{DisplayText: words(c.Text), URL: words(c.URL)}}
		case KindCall:
			button.Button = &waE2E.TemplateButton_CallButton_{CallButton: &waE2E.TemplateButton_CallButton{DisplayText: words(c.Text), PhoneNumber: words(c.Number)}}
		default:
			button.Button = &waE2E.TemplateButton_QuickReplyButton_{QuickReplyButton: &waE2E.TemplateButton_QuickReplyButton{DisplayText: words(c.Text), ID: &c.ID}}
		}
		four.Buttons = append(four.Buttons, button)
	}
	return &waE2E.TemplateMessage{
		TemplateID: text(m.ID), Format: &waE2E.TemplateMessage_FourRowTemplate_{FourRowTemplate: four}, ContextInfo: p.Context,
	}
}

func (m *Content) buttons(p Parts) *waE2E.ButtonsMessage {
	out := &waE2E.ButtonsMessage{ContentText: &p.Text, FooterText: text(m.Footer), ContextInfo: p.Context, HeaderType: waE2E.ButtonsMessage_EMPTY.Enum()}
	switch {
	case p.File.GetDocumentMessage() != nil:
		out.Header, out.HeaderType = &waE2E.ButtonsMessage_DocumentMessage{DocumentMessage: p.File.DocumentMessage}, waE2E.ButtonsMessage_DOCUMENT.Enum()
	case p.File.GetImageMessage() != nil:
		out.Header, out.HeaderType = &waE2E.ButtonsMessage_ImageMessage{ImageMessage: p.File.ImageMessage}, waE2E.ButtonsMessage_IMAGE.Enum()
	case p.File.GetVideoMessage() != nil:
		out.Header, out.HeaderType = &waE2E.ButtonsMessage_VideoMessage{VideoMessage: p.File.VideoMessage}, waE2E.ButtonsMessage_VIDEO.Enum()
	case p.File.GetLocationMessage() != nil:
		out.Header, out.HeaderType = &waE2E.ButtonsMessage_LocationMessage{LocationMessage: p.File.LocationMessage}, waE2E.ButtonsMessage_LOCATION.Enum()
	case m.Header != "":
		out.Header, out.HeaderType = &waE2E.ButtonsMessage_Text{Text: m.Header}, waE2E.ButtonsMessage_TEXT.Enum()
	}
	for _, c := range m.Choices {
		button := &waE2E.ButtonsMessage_Button{
			ButtonID: &c.ID, ButtonText: &waE2E.ButtonsMessage_Button_ButtonText{DisplayText: &c.Text}, Type: waE2E.ButtonsMessage_Button_RESPONSE.Enum(),
		}
		if c.Kind != KindReply {
			button.Type = waE2E.ButtonsMessage_Button_NATIVE_FLOW.Enum()
			name, params := c.flow()
			button.NativeFlowInfo = &waE2E.ButtonsMessage_Button_NativeFlowInfo{Name: &name, ParamsJSON: &params}
		}
		out.Buttons = append(out.Buttons, button)
	}
	return out
}

func (m *Content) list(p Parts) *waE2E.ListMessage {
	out := &waE2E.ListMessage{
		Title: text(m.Header), Description: &p.Text, ButtonText: text(m.Button), FooterText: text(m.Footer), ContextInfo: p.Context,
		ListType: waE2E.ListMessage_SINGLE_SELECT.Enum(),
	}
	if m.Form == FormProducts {
		out.ListType = waE2E.ListMessage_PRODUCT_LIST.Enum()
		section := &waE2E.ListMessage_ProductSection{Title: text(m.Subtitle)}
		for _, item := range m.Items {
			section.Products = append(section.Products, &waE2E.ListMessage_Product{ProductID: &item.ProductID})
		}
		out.ProductListInfo = &waE2E.ListMessage_ProductListInfo{BusinessOwnerJID: &m.Account, ProductSections: []*waE2E.ListMessage_ProductSection{section}}
		return out
	}
	for _, c := range m.Choices {
		if n := len(out.Sections); n == 0 || out.Sections[n-1].GetTitle() != c.Section {
			out.Sections = append(out.Sections, &waE2E.ListMessage_Section{Title: &c.Section})
		}
		last := out.Sections[len(out.Sections)-1]
		last.Rows = append(last.Rows, &waE2E.ListMessage_Row{Title: &c.Text, Description: text(c.Description), RowID: &c.ID})
	}
	return out
}

func (m *Content) interactive(p Parts) *waE2E.InteractiveMessage {
	out := &waE2E.InteractiveMessage{Body: &waE2E.InteractiveMessage_Body{Text: &p.Text}, ContextInfo: p.Context}
	if m.Footer != "" {
		out.Footer = &waE2E.InteractiveMessage_Footer{Text: &m.Footer}
	}
	header := &waE2E.InteractiveMessage_Header{Title: text(m.Header), Subtitle: text(m.Subtitle), HasMediaAttachment: proto.Bool(p.File != nil)}
	switch {
	case p.File.GetDocumentMessage() != nil:
		header.Media = &waE2E.InteractiveMessage_Header_DocumentMessage{DocumentMessage: p.File.DocumentMessage}
	case p.File.GetImageMessage() != nil:
		header.Media = &waE2E.InteractiveMessage_Header_ImageMessage{ImageMessage: p.File.ImageMessage}
	case p.File.GetVideoMessage() != nil:
		header.Media = &waE2E.InteractiveMessage_Header_VideoMessage{VideoMessage: p.File.VideoMessage}
	case p.File.GetLocationMessage() != nil:
		header.Media = &waE2E.InteractiveMessage_Header_LocationMessage{LocationMessage: p.File.LocationMessage}
	}
	out.Header = header
	switch m.Form {
	case FormShop:
		out.InteractiveMessage = &waE2E.InteractiveMessage_ShopStorefrontMessage{ShopStorefrontMessage: &waE2E.InteractiveMessage_ShopMessage{
			ID: &m.ID, Surface: waE2E.InteractiveMessage_ShopMessage_WA.Enum(), MessageVersion: proto.Int32(1),
		}}
	case FormCollection:
		out.InteractiveMessage = &waE2E.InteractiveMessage_CollectionMessage_{CollectionMessage: &waE2E.InteractiveMessage_CollectionMessage{
			ID: &m.ID, BizJID: &m.Account, MessageVersion: proto.Int32(1),
		}}
	case FormCarousel:
		carousel := &waE2E.InteractiveMessage_CarouselMessage{MessageVersion: proto.Int32(1)}
		for _, card := range m.Cards {
			inner := Content{Form: FormNativeFlow, Header: card.Header, Footer: card.Footer, Choices: card.Choices}
			carousel.Cards = append(carousel.Cards, inner.interactive(Parts{Text: card.Text}))
		}
		out.InteractiveMessage = &waE2E.InteractiveMessage_CarouselMessage_{CarouselMessage: carousel}
	case FormOrderDetail:
		out.InteractiveMessage = nativeFlows([]flow{{"review_and_pay", encoded(m.orderDetails())}})
	case FormOrderStatus:
		status := map[string]any{"reference_id": m.ID, "order": map[string]any{"status": m.Status, "description": m.Subtitle}}
		out.InteractiveMessage = nativeFlows([]flow{{"review_order", encoded(status)}})
	default:
		out.InteractiveMessage = nativeFlows(m.flows())
	}
	return out
}

// flow is a button of a native flow: its name and its JSON.
type flow struct{ name, params string }

func nativeFlows(list []flow) *waE2E.InteractiveMessage_NativeFlowMessage_ {
	out := &waE2E.InteractiveMessage_NativeFlowMessage{MessageParamsJSON: proto.String("{}"), MessageVersion: proto.Int32(1)}
	for _, f := range list {
		out.Buttons = append(out.Buttons, &waE2E.InteractiveMessage_NativeFlowMessage_NativeFlowButton{Name: &f.name, ButtonParamsJSON: &f.params})
	}
	return &waE2E.InteractiveMessage_NativeFlowMessage_{NativeFlowMessage: out}
}

// flows returns the choices as native flows. All rows are one of them.
func (m *Content) flows() []flow {
	var list []flow
	type section struct {
		Title string              `json:"title"`
		Rows  []map[string]string `json:"rows"`
	}
	var sections []section
	for _, c := range m.Choices {
		if c.Kind != KindRow {
			name, params := c.flow()
			list = append(list, flow{name, params})
			continue
		}
		if n := len(sections); n == 0 || sections[n-1].Title != c.Section {
			sections = append(sections, section{Title: c.Section})
		}
		last := &sections[len(sections)-1]
		last.Rows = append(last.Rows, map[string]string{"id": c.ID, "title": c.Text, "description": c.Description})
	}
	if sections != nil {
		list = append(list, flow{"single_select", encoded(map[string]any{"title": m.Button, "sections": sections})})
	}
	return list
}

// flow returns the native flow of a choice.
func (c *Choice) flow() (name, params string) {
	switch c.Kind {
	case KindReply:
		return "quick_reply", encoded(map[string]string{"display_text": c.Text, "id": c.ID})
	case KindURL:
		return "cta_url", encoded(map[string]string{"display_text": c.Text, "url": c.URL, "merchant_url": c.URL})
	case KindCall:
		return "cta_call", encoded(map[string]string{"display_text": c.Text, "phone_number": c.Number})
	case KindCopy:
		return "cta_copy", encoded(map[string]string{"display_text": c.Text, "id": c.ID, "copy_code": c.Code})
	case KindFlow:
		return "galaxy_message", encoded(map[string]string{"flow_id": c.ID, "flow_cta": c.Text, "flow_action": "navigate", "flow_message_version": "3"})
	default:
		return c.Kind, c.Params
	}
}

func encoded(value any) string {
	out, _ := json.Marshal(value) // maps and lists of texts and numbers
	return string(out)
}

// orderDetails returns an order as the payments API writes it: amounts are whole numbers with an offset.
func (m *Content) orderDetails() map[string]any {
	amount := func(thousandths int64) map[string]int64 {
		return map[string]int64{"value": thousandths, "offset": 1000}
	}
	items := []map[string]any{}
	var subtotal int64
	for _, item := range m.Items {
		items = append(items, map[string]any{
			"retailer_id": item.ID, "product_id": item.ProductID, "name": item.Name, "quantity": item.Quantity, "amount": amount(item.Price),
		})
		subtotal += item.Price * int64(item.Quantity)
	}
	out := map[string]any{
		"reference_id": m.ID, "type": "physical-goods", "currency": m.Currency, "total_amount": amount(m.Amount),
		"order": map[string]any{"status": m.Status, "items": items, "subtotal": amount(subtotal), "order_type": "ORDER"},
	}
	if m.PixKey != "" {
		out["payment_settings"] = []map[string]any{{"type": "pix_static_code", "pix_static_code": map[string]string{"merchant_name": m.Header, "key": m.PixKey, "key_type": "EVP"}}}
	}
	return out
}

func (m *Content) commerce(p Parts) *waE2E.Message {
	note := &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: &p.Text, ContextInfo: p.Context}}
	switch m.Form {
	case FormOrder:
		return &waE2E.Message{OrderMessage: &waE2E.OrderMessage{
			OrderID: &m.ID, Token: &m.Token, ItemCount: proto.Int32(int32(m.Count)), Status: waE2E.OrderMessage_INQUIRY.Enum(), Surface: waE2E.OrderMessage_CATALOG.Enum(),
			Message: text(p.Text), OrderTitle: text(m.Header), SellerJID: &m.Account, TotalAmount1000: &m.Amount, TotalCurrencyCode: &m.Currency, ContextInfo: p.Context,
		}}
	case FormProduct:
		item := m.Items[0]
		return &waE2E.Message{ProductMessage: &waE2E.ProductMessage{
			Product: &waE2E.ProductMessage_ProductSnapshot{
				ProductImage: p.File.GetImageMessage(), ProductID: &item.ProductID, Title: &item.Name, Description: text(item.Description), CurrencyCode: &m.Currency,
				PriceAmount1000: &item.Price, RetailerID: text(item.ID), URL: text(item.URL), ProductImageCount: proto.Uint32(1),
			},
			BusinessOwnerJID: &m.Account, Body: text(p.Text), Footer: text(m.Footer), ContextInfo: p.Context,
		}}
	case FormRequest:
		return &waE2E.Message{RequestPaymentMessage: &waE2E.RequestPaymentMessage{
			NoteMessage: note, CurrencyCodeIso4217: &m.Currency, Amount1000: proto.Uint64(uint64(m.Amount)), RequestFrom: &m.Account, ExpiryTimestamp: &m.Expires,
			Amount: &waE2E.Money{Value: &m.Amount, Offset: proto.Uint32(1000), CurrencyCode: &m.Currency},
		}}
	case FormPayment:
		return &waE2E.Message{SendPaymentMessage: &waE2E.SendPaymentMessage{NoteMessage: note, RequestMessageKey: p.Request}}
	case FormDecline:
		return &waE2E.Message{DeclinePaymentRequestMessage: &waE2E.DeclinePaymentRequestMessage{Key: p.Request}}
	case FormCancel:
		return &waE2E.Message{CancelPaymentRequestMessage: &waE2E.CancelPaymentRequestMessage{Key: p.Request}}
	case FormPayInvite:
		service := waE2E.PaymentInviteMessage_ServiceType(waE2E.PaymentInviteMessage_ServiceType_value[strings.ToUpper(m.Service)])
		return &waE2E.Message{PaymentInviteMessage: &waE2E.PaymentInviteMessage{ServiceType: &service, ExpiryTimestamp: &m.Expires}}
	default:
		return &waE2E.Message{InvoiceMessage: m.invoice(p)}
	}
}

func (m *Content) invoice(p Parts) *waE2E.InvoiceMessage {
	out := &waE2E.InvoiceMessage{Note: &p.Text, Token: &m.ID}
	if f := p.File.GetImageMessage(); f != nil {
		out.AttachmentType, out.AttachmentMimetype, out.AttachmentMediaKey = waE2E.InvoiceMessage_IMAGE.Enum(), f.Mimetype, f.GetMediaKey()
		out.AttachmentFileSHA256, out.AttachmentFileEncSHA256, out.AttachmentDirectPath = f.GetFileSHA256(), f.GetFileEncSHA256(), f.DirectPath
	}
	if f := p.File.GetDocumentMessage(); f != nil {
		out.AttachmentType, out.AttachmentMimetype, out.AttachmentMediaKey = waE2E.InvoiceMessage_PDF.Enum(), f.Mimetype, f.GetMediaKey()
		out.AttachmentFileSHA256, out.AttachmentFileEncSHA256, out.AttachmentDirectPath = f.GetFileSHA256(), f.GetFileEncSHA256(), f.DirectPath
	}
	return out
}

// AddTo adds the advertisement to the context of a message.
func (r *Referral) AddTo(info *waE2E.ContextInfo) {
	if r.EntryPoint != "" {
		info.EntryPointConversionSource, info.EntryPointConversionApp = &r.EntryPoint, text(r.SourceApp)
	}
	if r.SourceID == "" && r.ClickID == "" && r.Title == "" {
		return
	}
	info.ConversionSource, info.ConversionDelaySeconds = proto.String("FB_Ads"), proto.Uint32(9)
	info.ExternalAdReply = &waE2E.ContextInfo_ExternalAdReplyInfo{
		Title: text(r.Title), Body: text(r.Body), MediaType: waE2E.ContextInfo_ExternalAdReplyInfo_IMAGE.Enum(), MediaURL: text(r.MediaURL), Thumbnail: r.Thumbnail,
		SourceType: text(r.SourceType), SourceID: text(r.SourceID), SourceURL: text(r.SourceURL), SourceApp: text(r.SourceApp), CtwaClid: text(r.ClickID),
		ShowAdAttribution: proto.Bool(true), RenderLargerThumbnail: proto.Bool(true), AdType: waE2E.ContextInfo_ExternalAdReplyInfo_CTWA.Enum(),
	}
}
