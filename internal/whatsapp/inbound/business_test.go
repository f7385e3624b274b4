package inbound

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventlog "wasup/internal/events"
)

// told returns the event about a message from a stranger, whose log must stay empty.
func told(t interface {
	Fatalf(string, ...any)
	Errorf(string, ...any)
}, m *waE2E.Message,
) eventlog.Event {
	var log bytes.Buffer
	translator := newTranslator(t, slog.New(slog.NewTextHandler(&log, nil)))
	stranger := types.NewJID("1002", types.HiddenUserServer)
	e := &events.Message{
		Info:       types.MessageInfo{ID: "3EB0A1", MessageSource: types.MessageSource{Chat: stranger, Sender: stranger}, Timestamp: time.Unix(1767530000, 0)},
		RawMessage: m,
	}
	list, ours, err := translator.Translate(context.Background(), e.UnwrapRaw())
	if !ours || err != nil || len(list) != 1 || log.Len() > 0 {
		t.Fatalf("%d events, ours %t, %v, log %s", len(list), ours, err, log.String())
	}
	return list[0]
}

// content returns the content of an event as it is written.
func content(t *testing.T, event eventlog.Event) string {
	t.Helper()
	var data struct {
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(event.Data, &data); err != nil {
		t.Fatal(err)
	}
	return string(data.Content)
}

var (
	bill    = &waE2E.DocumentMessage{FileName: proto.String("bill.pdf"), Mimetype: proto.String("application/pdf"), DirectPath: proto.String("/v/t"), MediaKey: make([]byte, 32)}
	reply   = &waE2E.HydratedTemplateButton{HydratedButton: &waE2E.HydratedTemplateButton_QuickReplyButton{QuickReplyButton: &waE2E.HydratedTemplateButton_HydratedQuickReplyButton{DisplayText: proto.String("Yes"), ID: proto.String("yes-1")}}}
	visit   = &waE2E.HydratedTemplateButton{HydratedButton: &waE2E.HydratedTemplateButton_UrlButton{UrlButton: &waE2E.HydratedTemplateButton_HydratedURLButton{DisplayText: proto.String("Visit"), URL: proto.String("https://shop.example/1")}}}
	phoneUs = &waE2E.HydratedTemplateButton{HydratedButton: &waE2E.HydratedTemplateButton_CallButton{CallButton: &waE2E.HydratedTemplateButton_HydratedCallButton{DisplayText: proto.String("Call"), PhoneNumber: proto.String("+34 600")}}}
)

func hsm(params ...string) *waE2E.HighlyStructuredMessage {
	return &waE2E.HighlyStructuredMessage{ElementName: proto.String("order_ready"), Params: params}
}

func flows(flows ...*waE2E.InteractiveMessage_NativeFlowMessage_NativeFlowButton) *waE2E.InteractiveMessage {
	return &waE2E.InteractiveMessage{
		Body: &waE2E.InteractiveMessage_Body{Text: proto.String("Choose")},
		InteractiveMessage: &waE2E.InteractiveMessage_NativeFlowMessage_{
			NativeFlowMessage: &waE2E.InteractiveMessage_NativeFlowMessage{Buttons: flows, MessageParamsJSON: proto.String("{}")},
		},
	}
}

func flow(name, params string) *waE2E.InteractiveMessage_NativeFlowMessage_NativeFlowButton {
	return &waE2E.InteractiveMessage_NativeFlowMessage_NativeFlowButton{Name: &name, ButtonParamsJSON: &params}
}

func flowReply(text, name, params string) *waE2E.Message {
	return &waE2E.Message{InteractiveResponseMessage: &waE2E.InteractiveResponseMessage{
		Body: &waE2E.InteractiveResponseMessage_Body{Text: &text},
		InteractiveResponseMessage: &waE2E.InteractiveResponseMessage_NativeFlowResponseMessage_{
			NativeFlowResponseMessage: &waE2E.InteractiveResponseMessage_NativeFlowResponseMessage{Name: &name, ParamsJSON: &params},
		},
	}}
}

const reviewAndPay = `{"reference_id":"1042","type":"physical-goods","currency":"BRL","total_amount":{"value":12345,"offset":100},` +
	`"payment_settings":[{"type":"pix_static_code","pix_static_code":{"merchant_name":"Shop","key":"a@b.br","key_type":"EMAIL"}},{"type":"cards","cards":{"enabled":false}}],` +
	`"order":{"status":"pending","items":[{"retailer_id":"sku-1","name":"Cake","quantity":2,"amount":{"value":"5000","offset":"100"}}],"subtotal":{"value":10000,"offset":100},"shipping":{"value":2345,"offset":100}}}`

func TestWhatBusinessesWriteIsToldInWords(t *testing.T) {
	four := &waE2E.TemplateMessage_HydratedFourRowTemplate{
		Title:               &waE2E.TemplateMessage_HydratedFourRowTemplate_HydratedTitleText{HydratedTitleText: "Ready"},
		HydratedContentText: proto.String("Order 7 is ready"), HydratedFooterText: proto.String("The shop"),
		HydratedButtons: []*waE2E.HydratedTemplateButton{reply, visit, phoneUs},
	}
	fourTold := `{"kind":"interactive","text":"Order 7 is ready","interactive":{"type":"template","id":"t1","header":"Ready","footer":"The shop","choices":[` +
		`{"kind":"reply","id":"yes-1","text":"Yes"},{"kind":"url","text":"Visit","url":"https://shop.example/1"},{"kind":"call","text":"Call","number":"+34 600"}]}}`
	product := &waE2E.ProductMessage{
		Product: &waE2E.ProductMessage_ProductSnapshot{
			ProductID: proto.String("77"), RetailerID: proto.String("sku-1"), Title: proto.String("Cake"), CurrencyCode: proto.String("EUR"),
			PriceAmount1000: proto.Int64(12500), SalePriceAmount1000: proto.Int64(9990), ProductImageCount: proto.Uint32(3), ProductImage: &waE2E.ImageMessage{DirectPath: proto.String("/v/t"), MediaKey: make([]byte, 32), Mimetype: proto.String("image/jpeg")},
		},
		BusinessOwnerJID: proto.String("34600000009@s.whatsapp.net"), Body: proto.String("Still there?"),
	}
	productTold := `"product":{"id":"77","retailer_id":"sku-1","title":"Cake","price":{"value":"12.5","currency":"EUR"},"sale_price":{"value":"9.99","currency":"EUR"},"pictures":3,"seller":{"pn":"34600000009@s.whatsapp.net"}}`
	media := func(mime string) string {
		return `"media":{"id":"` + digest("media", "1002@lid", "1002@lid", "3EB0A1") + `","mime":"` + mime + `",`
	}
	for name, c := range map[string]struct {
		m    *waE2E.Message
		want string
	}{
		"a template": {&waE2E.Message{TemplateMessage: &waE2E.TemplateMessage{HydratedTemplate: four, TemplateID: proto.String("t1")}}, fourTold},
		"a template in its oneof": {
			&waE2E.Message{TemplateMessage: &waE2E.TemplateMessage{Format: &waE2E.TemplateMessage_HydratedFourRowTemplate_{HydratedFourRowTemplate: four}, TemplateID: proto.String("t1")}}, fourTold,
		},
		"a filled-in structured message": {
			&waE2E.Message{HighlyStructuredMessage: &waE2E.HighlyStructuredMessage{HydratedHsm: &waE2E.TemplateMessage{HydratedTemplate: four, TemplateID: proto.String("t1")}}}, fourTold,
		},
		"a structured message": {
			&waE2E.Message{HighlyStructuredMessage: hsm("7", "today")},
			`{"kind":"interactive","text":"7\ntoday","interactive":{"type":"highly_structured","id":"order_ready"}}`,
		},
		"a template of a language pack": {
			&waE2E.Message{TemplateMessage: &waE2E.TemplateMessage{Format: &waE2E.TemplateMessage_FourRowTemplate_{FourRowTemplate: &waE2E.TemplateMessage_FourRowTemplate{
				Content: hsm("7"), Footer: hsm("The shop"), Buttons: []*waE2E.TemplateButton{{Button: &waE2E.TemplateButton_QuickReplyButton_{
					QuickReplyButton: &waE2E.TemplateButton_QuickReplyButton{DisplayText: hsm("Yes"), ID: proto.String("y")},
				}}},
			}}}},
			`{"kind":"interactive","text":"7","interactive":{"type":"template","footer":"The shop","choices":[{"kind":"reply","id":"y","text":"Yes"}]}}`,
		},
		"a template with an interactive message": {
			&waE2E.Message{TemplateMessage: &waE2E.TemplateMessage{Format: &waE2E.TemplateMessage_InteractiveMessageTemplate{InteractiveMessageTemplate: flows(flow("quick_reply", `{"display_text":"Yes","id":"y"}`))}, TemplateID: proto.String("t1")}},
			`{"kind":"interactive","text":"Choose","interactive":{"type":"native_flow","id":"t1","choices":[{"kind":"reply","id":"y","text":"Yes"}]}}`,
		},
		"a template with a file": {
			&waE2E.Message{TemplateMessage: &waE2E.TemplateMessage{HydratedTemplate: &waE2E.TemplateMessage_HydratedFourRowTemplate{
				Title: &waE2E.TemplateMessage_HydratedFourRowTemplate_DocumentMessage{DocumentMessage: bill}, HydratedContentText: proto.String("Your bill"),
			}}},
			`{"kind":"interactive","text":"Your bill",` + media("application/pdf") + `"name":"bill.pdf","size":0},"interactive":{"type":"template"}}`,
		},
		"buttons": {
			&waE2E.Message{ButtonsMessage: &waE2E.ButtonsMessage{
				Header: &waE2E.ButtonsMessage_LocationMessage{LocationMessage: &waE2E.LocationMessage{DegreesLatitude: proto.Float64(1), DegreesLongitude: proto.Float64(2), Name: proto.String("Shop")}}, ContentText: proto.String("Coming?"), FooterText: proto.String("The shop"),
				Buttons: []*waE2E.ButtonsMessage_Button{
					{ButtonID: proto.String("y"), ButtonText: &waE2E.ButtonsMessage_Button_ButtonText{DisplayText: proto.String("Yes")}},
					{ButtonID: proto.String("x"), NativeFlowInfo: &waE2E.ButtonsMessage_Button_NativeFlowInfo{Name: proto.String("cta_url"), ParamsJSON: proto.String(`{"display_text":"Map","url":"https://m"}`)}},
				},
			}},
			`{"kind":"interactive","text":"Coming?","location":{"latitude":1,"longitude":2,"name":"Shop"},"interactive":{"type":"buttons","footer":"The shop","choices":[` +
				`{"kind":"reply","id":"y","text":"Yes"},{"kind":"url","text":"Map","url":"https://m"}]}}`,
		},
		"a list": {
			&waE2E.Message{ListMessage: &waE2E.ListMessage{
				Title: proto.String("Sizes"), Description: proto.String("Which one?"), ButtonText: proto.String("Show"), FooterText: proto.String("The shop"),
				Sections: []*waE2E.ListMessage_Section{{Title: proto.String("Small"), Rows: []*waE2E.ListMessage_Row{{Title: proto.String("S"), Description: proto.String("small"), RowID: proto.String("size-s")}}}},
			}},
			`{"kind":"interactive","text":"Which one?","interactive":{"type":"list","header":"Sizes","footer":"The shop","button":"Show","choices":[` +
				`{"kind":"row","id":"size-s","text":"S","description":"small","section":"Small"}]}}`,
		},
		"a list of products": {
			&waE2E.Message{ListMessage: &waE2E.ListMessage{ProductListInfo: &waE2E.ListMessage_ProductListInfo{
				BusinessOwnerJID: proto.String("34600000009@s.whatsapp.net"), HeaderImage: &waE2E.ListMessage_ProductListHeaderImage{JPEGThumbnail: []byte{1}},
				ProductSections: []*waE2E.ListMessage_ProductSection{{Title: proto.String("Cakes"), Products: []*waE2E.ListMessage_Product{{ProductID: proto.String("77")}}}},
			}}},
			`{"kind":"interactive","media":{"mime":"image/jpeg","size":0,"thumbnail":"AQ=="},"interactive":{"type":"list","owner":{"pn":"34600000009@s.whatsapp.net"},"choices":[{"kind":"product","id":"77","section":"Cakes"}]}}`,
		},
		"native flows": {
			&waE2E.Message{InteractiveMessage: flows(
				flow("quick_reply", `{"display_text":"Yes","id":"y"}`), flow("cta_url", `{"display_text":"Visit","url":"https://m","merchant_url":"https://x"}`),
				flow("cta_call", `{"display_text":"Call","phone_number":34600}`), flow("cta_copy", `{"display_text":"Copy","copy_code":"SALE"}`),
				flow("single_select", `{"title":"Show","sections":[{"title":"Small","rows":[{"header":"H","title":"S","description":"small","id":"size-s"}]}]}`),
				flow("galaxy_message", `{"flow_id":"9","flow_cta":"Book","flow_action":"navigate"}`), flow("send_location", `{}`), flow("cta_url", `{"display`),
			)},
			`{"kind":"interactive","text":"Choose","interactive":{"type":"native_flow","button":"Show","choices":[{"kind":"reply","id":"y","text":"Yes"},{"kind":"url","text":"Visit","url":"https://m"},` +
				`{"kind":"call","text":"Call","number":"34600"},{"kind":"copy","text":"Copy","code":"SALE"},{"kind":"row","id":"size-s","text":"S","description":"small","section":"Small"},` +
				`{"kind":"flow","id":"9","text":"Book"},{"kind":"send_location","params":"{}"},{"kind":"url","params":"{\"display"}]}}`,
		},
		"a carousel": {
			&waE2E.Message{InteractiveMessage: &waE2E.InteractiveMessage{
				Body: &waE2E.InteractiveMessage_Body{Text: proto.String("Cakes")},
				InteractiveMessage: &waE2E.InteractiveMessage_CarouselMessage_{CarouselMessage: &waE2E.InteractiveMessage_CarouselMessage{Cards: []*waE2E.InteractiveMessage{{
					Header: &waE2E.InteractiveMessage_Header{Title: proto.String("One"), Media: &waE2E.InteractiveMessage_Header_ImageMessage{ImageMessage: &waE2E.ImageMessage{
						DirectPath: proto.String("/v/t"), MediaKey: make([]byte, 32), Mimetype: proto.String("image/jpeg"),
					}}}, Body: flows().Body, InteractiveMessage: flows(flow("quick_reply", `{"display_text":"This","id":"c1"}`)).InteractiveMessage,
				}}}},
			}},
			`{"kind":"interactive","text":"Cakes","interactive":{"type":"carousel","cards":[{"header":"One","text":"Choose","media":{"mime":"image/jpeg","size":0},"choices":[{"kind":"reply","id":"c1","text":"This"}]}]}}`,
		},
		"a shop": {
			&waE2E.Message{InteractiveMessage: &waE2E.InteractiveMessage{InteractiveMessage: &waE2E.InteractiveMessage_ShopStorefrontMessage{ShopStorefrontMessage: &waE2E.InteractiveMessage_ShopMessage{ID: proto.String("8")}}}},
			`{"kind":"interactive","interactive":{"type":"shop","id":"8"}}`,
		},
		"a collection": {
			&waE2E.Message{InteractiveMessage: &waE2E.InteractiveMessage{InteractiveMessage: &waE2E.InteractiveMessage_CollectionMessage_{CollectionMessage: &waE2E.InteractiveMessage_CollectionMessage{ID: proto.String("8"), BizJID: proto.String("34600000009@s.whatsapp.net")}}}},
			`{"kind":"interactive","interactive":{"type":"collection","id":"8","owner":{"pn":"34600000009@s.whatsapp.net"}}}`,
		},
		"a product in a header": {
			&waE2E.Message{InteractiveMessage: &waE2E.InteractiveMessage{
				Header: &waE2E.InteractiveMessage_Header{Title: proto.String("New"), Media: &waE2E.InteractiveMessage_Header_ProductMessage{ProductMessage: product}}, Footer: &waE2E.InteractiveMessage_Footer{Text: proto.String("The shop")},
			}},
			`{"kind":"interactive","text":"Still there?",` + media("image/jpeg") + `"size":0},"interactive":{"type":"plain","header":"New","footer":"The shop"},` + productTold + `}`,
		},
		"an order to pay": {
			&waE2E.Message{InteractiveMessage: flows(flow("review_and_pay", reviewAndPay))},
			`{"kind":"interactive","text":"Choose","interactive":{"type":"native_flow","choices":[{"kind":"review_and_pay","id":"1042","params":` + quoted(reviewAndPay) + `}]},` +
				`"order":{"id":"1042","status":"pending","type":"physical-goods","items_count":1,"items":[{"id":"sku-1","name":"Cake","quantity":2,"price":{"value":"50","currency":"BRL"}}],` +
				`"total":{"value":"123.45","currency":"BRL"},"subtotal":{"value":"100","currency":"BRL"},"shipping":{"value":"23.45","currency":"BRL"},` +
				`"payment_methods":[{"type":"pix_static_code","key":"a@b.br","key_type":"EMAIL","name":"Shop"},{"type":"cards"}]}}`,
		},
		"what became of an order": {
			&waE2E.Message{InteractiveMessage: flows(flow("review_order", `{"reference_id":"1042","order":{"status":"shipped","description":"by bike"},"payment":{"status":"captured"}}`))},
			`{"kind":"interactive","text":"Choose","interactive":{"type":"native_flow","choices":[{"kind":"review_order","id":"1042","params":` +
				quoted(`{"reference_id":"1042","order":{"status":"shipped","description":"by bike"},"payment":{"status":"captured"}}`) + `}]},` +
				`"order":{"id":"1042","status":"shipped","description":"by bike","payment_status":"captured"}}`,
		},
		"an invitation": {
			&waE2E.Message{GroupInviteMessage: &waE2E.GroupInviteMessage{
				GroupJID: proto.String("120363@g.us"), InviteCode: proto.String("AbC"), InviteExpiration: proto.Int64(1767530000), GroupName: proto.String("Friends"), Caption: proto.String("Come!"),
			}},
			`{"kind":"group_invite","text":"Come!","group_invite":{"group":{"group":"120363@g.us"},"name":"Friends","code":"AbC","expires_at":"2026-01-04T12:33:20Z","inviter":{"lid":"1002@lid"}}}`,
		},
		"a cart": {
			&waE2E.Message{OrderMessage: &waE2E.OrderMessage{
				OrderID: proto.String("1042"), Token: proto.String("T=="), ItemCount: proto.Int32(3), Status: waE2E.OrderMessage_INQUIRY.Enum(), Message: proto.String("Please today"), OrderTitle: proto.String("Cake"),
				SellerJID: proto.String("34600000009@s.whatsapp.net"), TotalAmount1000: proto.Int64(1250500), TotalCurrencyCode: proto.String("EUR"), Thumbnail: []byte{1},
			}},
			`{"kind":"order","text":"Please today","order":{"id":"1042","token":"T==","title":"Cake","status":"inquiry","seller":{"pn":"34600000009@s.whatsapp.net"},"items_count":3,"total":{"value":"1250.5","currency":"EUR"},"thumbnail":"AQ=="}}`,
		},
		"a product": {&waE2E.Message{ProductMessage: product}, `{"kind":"product","text":"Still there?",` + media("image/jpeg") + `"size":0},` + productTold + `}`},
		"a request for money": {
			&waE2E.Message{RequestPaymentMessage: &waE2E.RequestPaymentMessage{
				NoteMessage:         &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("Lunch"), ContextInfo: &waE2E.ContextInfo{StanzaID: proto.String("3EB0A0"), Participant: proto.String("1002@lid"), QuotedMessage: &waE2E.Message{Conversation: proto.String("hi")}}}},
				CurrencyCodeIso4217: proto.String("INR"), Amount1000: proto.Uint64(250000), RequestFrom: proto.String("34600000009@s.whatsapp.net"), ExpiryTimestamp: proto.Int64(1767530000000),
			}},
			`{"kind":"payment","text":"Lunch","quote":{"id":"3EB0A0","sender":{"lid":"1002@lid"},"from_me":false,"text":"hi","kind":"text","claimed":true},"payment":{"type":"request","amount":{"value":"250","currency":"INR"},"from":{"pn":"34600000009@s.whatsapp.net"},"expires_at":"2026-01-04T12:33:20Z"}}`,
		},
		"money": {
			&waE2E.Message{SendPaymentMessage: &waE2E.SendPaymentMessage{
				NoteMessage: &waE2E.Message{Conversation: proto.String("Thanks")}, RequestMessageKey: &waCommon.MessageKey{ID: proto.String("3EB0A0")}, TransactionData: proto.String("tx"),
			}},
			`{"kind":"payment","text":"Thanks","target":{"id":"3EB0A0","from_me":true},"payment":{"type":"sent","transaction":"tx"}}`,
		},
		"a refusal to pay": {
			&waE2E.Message{DeclinePaymentRequestMessage: &waE2E.DeclinePaymentRequestMessage{Key: &waCommon.MessageKey{ID: proto.String("3EB0A0")}}},
			`{"kind":"payment","target":{"id":"3EB0A0","from_me":true},"payment":{"type":"declined"}}`,
		},
		"a request that was taken back": {
			&waE2E.Message{CancelPaymentRequestMessage: &waE2E.CancelPaymentRequestMessage{Key: &waCommon.MessageKey{ID: proto.String("3EB0A0"), FromMe: proto.Bool(true)}}},
			`{"kind":"payment","target":{"id":"3EB0A0","sender":{"lid":"1002@lid"},"from_me":false},"payment":{"type":"cancelled"}}`,
		},
		"an invitation to pay with WhatsApp": {
			&waE2E.Message{PaymentInviteMessage: &waE2E.PaymentInviteMessage{ServiceType: waE2E.PaymentInviteMessage_PIX.Enum()}}, `{"kind":"payment","payment":{"type":"invite","service":"pix"}}`,
		},
		"an invoice": {
			&waE2E.Message{InvoiceMessage: &waE2E.InvoiceMessage{Note: proto.String("May"), Token: proto.String("T"), AttachmentType: waE2E.InvoiceMessage_PDF.Enum(), AttachmentMimetype: proto.String("application/pdf"), AttachmentDirectPath: proto.String("/v/t"), AttachmentMediaKey: make([]byte, 32)}},
			`{"kind":"payment","text":"May",` + media("application/pdf") + `"size":0},"payment":{"type":"invoice","token":"T"}}`,
		},
		"a reminder": {
			&waE2E.Message{PaymentReminderMessage: &waE2E.PaymentReminderMessage{ReminderID: proto.String("r"), Description: proto.String("Rent"), Status: waE2E.PaymentReminderMessage_PAID.Enum(), PayerJID: proto.String("34600000009@s.whatsapp.net"), Amount: &waE2E.Money{Value: proto.Int64(99), Offset: proto.Uint32(100), CurrencyCode: proto.String("INR")}}},
			`{"kind":"payment","text":"Rent","payment":{"type":"reminder","id":"r","status":"paid","amount":{"value":"0.99","currency":"INR"},"from":{"pn":"34600000009@s.whatsapp.net"}}}`,
		},
		"a split bill": {
			&waE2E.Message{SplitPaymentMessage: &waE2E.SplitPaymentMessage{SplitID: proto.String("s"), Participants: []*waE2E.SplitPaymentParticipant{{JID: proto.String("1003@lid"), Amount: &waE2E.Money{Value: proto.Int64(5)}}}}},
			`{"kind":"payment","payment":{"type":"split","id":"s","parts":[{"from":{"lid":"1003@lid"},"amount":{"value":"5"},"status":"pending"}]}}`,
		},
		"a button that was pressed": {
			&waE2E.Message{ButtonsResponseMessage: &waE2E.ButtonsResponseMessage{
				Response: &waE2E.ButtonsResponseMessage_SelectedDisplayText{SelectedDisplayText: "Yes"}, SelectedButtonID: proto.String("y"), ContextInfo: &waE2E.ContextInfo{StanzaID: proto.String("3EB0A0"), Participant: proto.String("1002@lid")},
			}},
			`{"kind":"text","text":"Yes","quote":{"id":"3EB0A0","sender":{"lid":"1002@lid"},"from_me":false,"claimed":true},"answer":{"kind":"reply","id":"y"}}`,
		},
		"a button of a template": {
			&waE2E.Message{TemplateButtonReplyMessage: &waE2E.TemplateButtonReplyMessage{SelectedID: proto.String("y"), SelectedIndex: proto.Uint32(0), SelectedCarouselCardIndex: proto.Uint32(2)}},
			`{"kind":"text","text":"y","answer":{"kind":"reply","id":"y","index":0,"card":2}}`,
		},
		"a row": {
			&waE2E.Message{ListResponseMessage: &waE2E.ListResponseMessage{Title: proto.String("S"), Description: proto.String("small"), SingleSelectReply: &waE2E.ListResponseMessage_SingleSelectReply{SelectedRowID: proto.String("size-s")}}},
			`{"kind":"text","text":"S","answer":{"kind":"row","id":"size-s","description":"small"}}`,
		},
		"a row of a native flow": {
			flowReply("S", "menu_options", `{"id":"size-s","description":"small"}`), `{"kind":"text","text":"S","answer":{"kind":"row","id":"size-s","description":"small","params":"{\"id\":\"size-s\",\"description\":\"small\"}"}}`,
		},
		"a form": {flowReply("Sent", "flow", `{"name":"Ana"}`), `{"kind":"text","text":"Sent","answer":{"kind":"flow","params":"{\"name\":\"Ana\"}"}}`},
		"what a customer asks about": {
			&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("Still there?"), ContextInfo: &waE2E.ContextInfo{StanzaID: proto.String("3EB0A0"), Participant: proto.String("1002@lid"), QuotedMessage: &waE2E.Message{
				ProductMessage: &waE2E.ProductMessage{Product: &waE2E.ProductMessage_ProductSnapshot{ProductID: proto.String("77"), Title: proto.String("Cake")}},
			}}}},
			`{"kind":"text","text":"Still there?","quote":{"id":"3EB0A0","sender":{"lid":"1002@lid"},"from_me":false,"text":"Cake","kind":"product","claimed":true,"product":{"id":"77","title":"Cake"}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			event := told(t, c.m)
			if got := content(t, event); event.Type != eventlog.TypeMessage || got != c.want {
				t.Errorf("told as\n%s\nwant\n%s", got, c.want)
			}
			// Whatever it is wrapped in, and with a file where it had one.
			wrapped := told(t, &waE2E.Message{BotInvokeMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{EphemeralMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{DocumentWithCaptionMessage: &waE2E.FutureProofMessage{Message: c.m}}}}}})
			if got := content(t, wrapped); got != c.want || (wrapped.Remote != nil) != strings.Contains(c.want, `"media":{"id"`) {
				t.Errorf("wrapped, told as\n%s\nwith a file: %t", got, wrapped.Remote != nil)
			}
		})
	}
}

func quoted(text string) string {
	out, _ := json.Marshal(text)
	return string(out)
}

func TestTheAdvertisementThatLedToAChatIsTold(t *testing.T) {
	info := &waE2E.ContextInfo{
		ExternalAdReply: &waE2E.ContextInfo_ExternalAdReplyInfo{
			Title: proto.String("Cakes"), Body: proto.String("Half price"), MediaType: waE2E.ContextInfo_ExternalAdReplyInfo_VIDEO.Enum(), ThumbnailURL: proto.String("https://t"), MediaURL: proto.String("https://m"), Thumbnail: []byte{1},
			SourceType: proto.String("ad"), SourceID: proto.String("1203"), SourceURL: proto.String("https://fb.me/1"), SourceApp: proto.String("instagram"), CtwaClid: proto.String("ARA"), Ref: proto.String("spring"), GreetingMessageBody: proto.String("Hi!"), AdType: waE2E.ContextInfo_ExternalAdReplyInfo_CTWA.Enum(),
		},
		ConversionSource: proto.String("FB_Ads"), ConversionData: []byte{2}, ConversionDelaySeconds: proto.Uint32(9),
		EntryPointConversionSource: proto.String("ctwa_ad"), EntryPointConversionApp: proto.String("instagram"), EntryPointConversionDelaySeconds: proto.Uint32(3),
		EntryPointConversionExternalSource: proto.String("x"), EntryPointConversionExternalMedium: proto.String("y"), Utm: &waE2E.ContextInfo_UTMInfo{UtmSource: proto.String("u"), UtmCampaign: proto.String("c")},
	}
	const want = `"referral":{"source_type":"ad","source_id":"1203","source_url":"https://fb.me/1","source_app":"instagram","ctwa_clid":"ARA","ad_type":"ctwa","title":"Cakes","body":"Half price","media_type":"video","media_url":"https://m",` +
		`"thumbnail_url":"https://t","thumbnail":"AQ==","ref":"spring","greeting":"Hi!","conversion":{"source":"FB_Ads","data":"Ag==","delay_seconds":9},` +
		`"entry_point":{"source":"ctwa_ad","app":"instagram","delay_seconds":3,"external_source":"x","external_medium":"y"},"utm_source":"u","utm_campaign":"c"}`
	for name, m := range map[string]*waE2E.Message{
		"a text":   {ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("hi"), ContextInfo: info}},
		"an image": {ImageMessage: &waE2E.ImageMessage{ContextInfo: info}},
		"a sound":  {AudioMessage: &waE2E.AudioMessage{ContextInfo: info}},
		"an order": {OrderMessage: &waE2E.OrderMessage{ContextInfo: info}},
		"a row":    {ListResponseMessage: &waE2E.ListResponseMessage{ContextInfo: info}},
		"unknown":  {StickerPackMessage: &waE2E.StickerPackMessage{ContextInfo: info}},
	} {
		if got := content(t, told(t, m)); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	plain := &waE2E.ContextInfo{EntryPointConversionSource: proto.String("contact_card")}
	if got := content(t, told(t, &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{ContextInfo: plain}})); got != `{"kind":"text","referral":{"entry_point":{"source":"contact_card"}}}` {
		t.Error(got)
	}
	status := &waE2E.ContextInfo{QuotedAd: &waE2E.ContextInfo_AdReplyInfo{AdvertiserName: proto.String("Shop"), Caption: proto.String("Half price"), MediaType: waE2E.ContextInfo_AdReplyInfo_IMAGE.Enum()}}
	if got := content(t, told(t, &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{ContextInfo: status}})); got != `{"kind":"text","referral":{"advertiser":"Shop","body":"Half price","media_type":"image"}}` {
		t.Error(got)
	}
	if got := content(t, told(t, &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{ContextInfo: &waE2E.ContextInfo{IsForwarded: proto.Bool(true)}}})); strings.Contains(got, "referral") {
		t.Error(got)
	}
}

func TestWhatOnlyThePhoneShowsIsUnavailable(t *testing.T) {
	masked := &waE2E.Message{PlaceholderMessage: &waE2E.PlaceholderMessage{Type: waE2E.PlaceholderMessage_MASK_LINKED_DEVICES.Enum()}}
	for _, m := range []*waE2E.Message{
		masked,
		{PlaceholderMessage: &waE2E.PlaceholderMessage{}},
		{EphemeralMessage: &waE2E.FutureProofMessage{Message: masked}},
		{MessageContextInfo: &waE2E.MessageContextInfo{}, PlaceholderMessage: masked.PlaceholderMessage},
	} {
		event := told(t, m)
		var data eventlog.MessageData
		if err := json.Unmarshal(event.Data, &data); err != nil || event.Type != eventlog.TypeUndecryptable || data.Unavailable != "mask_linked_devices" || data.Content != nil || data.ID != "3EB0A1" {
			t.Errorf("%s %s", event.Type, event.Data)
		}
	}
	translator := newTranslator(t, slog.New(slog.DiscardHandler))
	for given, want := range map[string]string{"view_once": "view_once", "view_once_unavailable_fanout": "view_once", "hosted_unavailable_fanout": "hosted", "": ""} {
		list, _, err := translator.Translate(context.Background(), &events.UndecryptableMessage{IsUnavailable: true, UnavailableType: events.UnavailableType(given)})
		var data eventlog.MessageData
		if err != nil || json.Unmarshal(list[0].Data, &data) != nil || data.Unavailable != want {
			t.Errorf("%q is told as %q", given, data.Unavailable)
		}
	}
}

func TestAmountsAreExact(t *testing.T) {
	for _, c := range []struct {
		value  string
		offset int64
		want   string
	}{
		{"1250500", 1000, "1250.5"},
		{"0", 1000, "0"},
		{"5", 1000, "0.005"},
		{"-5", 100, "-0.05"},
		{"-0", 100, "0"},
		{"9223372036854775807", 1000, "9223372036854775.807"},
		{"-9223372036854775808", 1000, "-9223372036854775.808"},
		{"18446744073709551615", 1000, "18446744073709551.615"},
		{"12", 0, "12"},
		{"12", 1, "12"},
		{"007", 1, "7"},
		{"12.30", 10, "1.23"},
		{"12", 3, ""},
		{"12", -100, ""},
		{"12", 20, ""},
		{"1e9", 100, ""},
		{"", 100, ""},
		{"-", 100, ""},
		{"NaN", 1, ""},
		{"1.2.3", 1, ""},
		{"--1", 1, ""},
		{strings.Repeat("9", 31), 1, ""},
		{"1", 1 << 62, ""},
		{"1", 1_000_000_000_000_000_000, "0.000000000000000001"},
	} {
		got := amountOf(c.value, c.offset, "EUR")
		if c.want == "" && got != nil || c.want != "" && (got == nil || got.Value != c.want) {
			t.Errorf("%s by %d is %+v, want %q", c.value, c.offset, got, c.want)
		}
	}
}

// deep returns a JSON list in a list, and so on.
func deep(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

func TestWhateverABusinessWritesStaysWithinTheLimits(t *testing.T) {
	long, many := strings.Repeat("é", 4<<20), 10_000
	rows := make([]*waE2E.ListMessage_Row, many)
	buttons := make([]*waE2E.InteractiveMessage_NativeFlowMessage_NativeFlowButton, many)
	cards := make([]*waE2E.InteractiveMessage, many)
	parts := make([]*waE2E.SplitPaymentParticipant, many)
	var jsonRows strings.Builder
	for i := range many {
		rows[i] = &waE2E.ListMessage_Row{Title: proto.String(strings.Repeat("\x01", 2000)), RowID: proto.String(fmt.Sprint(i))}
		buttons[i] = flow("quick_reply", `{"display_text":"Yes","id":"y"}`)
		cards[i] = flows(buttons[:min(i, 300)]...)
		parts[i] = &waE2E.SplitPaymentParticipant{JID: proto.String(fmt.Sprintf("%d@lid", i))}
		fmt.Fprintf(&jsonRows, `{"id":"%d"},`, i)
	}
	nested := &waE2E.Message{}
	for range 2000 {
		nested = &waE2E.Message{RequestPaymentMessage: &waE2E.RequestPaymentMessage{NoteMessage: nested}}
	}
	thumbnail := make([]byte, 1<<20)
	rowsJSON := `{"sections":[{"rows":[` + strings.TrimSuffix(jsonRows.String()[:50_000], ",")
	rowsJSON = rowsJSON[:strings.LastIndex(rowsJSON, ",")] + "]}]}"
	for name, m := range map[string]*waE2E.Message{
		"many rows":        {ListMessage: &waE2E.ListMessage{Sections: []*waE2E.ListMessage_Section{{Rows: rows}}}},
		"many sections":    {ListMessage: &waE2E.ListMessage{Sections: []*waE2E.ListMessage_Section{{Rows: rows[:200]}, {Rows: rows[:200]}}}},
		"many buttons":     {InteractiveMessage: flows(buttons...)},
		"many cards":       {InteractiveMessage: &waE2E.InteractiveMessage{InteractiveMessage: &waE2E.InteractiveMessage_CarouselMessage_{CarouselMessage: &waE2E.InteractiveMessage_CarouselMessage{Cards: cards}}}},
		"many rows in it":  {InteractiveMessage: flows(flow("single_select", rowsJSON))},
		"many payers":      {SplitPaymentMessage: &waE2E.SplitPaymentMessage{Participants: parts}},
		"a long text":      {TemplateMessage: &waE2E.TemplateMessage{HydratedTemplate: &waE2E.TemplateMessage_HydratedFourRowTemplate{HydratedContentText: &long, HydratedFooterText: &long}}},
		"a long flow":      {InteractiveMessage: flows(flow("single_select", long))},
		"a long answer":    flowReply(long, "flow", long),
		"a long name":      flowReply("x", long, "{}"),
		"a long token":     {OrderMessage: &waE2E.OrderMessage{Token: &long, OrderTitle: &long, Message: &long, Thumbnail: thumbnail, TotalCurrencyCode: &long}},
		"a long product":   {ProductMessage: &waE2E.ProductMessage{Body: &long, Product: &waE2E.ProductMessage_ProductSnapshot{Title: &long, Description: &long, URL: &long}}},
		"a long note":      {SendPaymentMessage: &waE2E.SendPaymentMessage{TransactionData: &long, NoteMessage: &waE2E.Message{Conversation: &long}}},
		"a long invite":    {GroupInviteMessage: &waE2E.GroupInviteMessage{Caption: &long, GroupName: &long, InviteCode: &long, JPEGThumbnail: thumbnail}},
		"a long referral":  {ExtendedTextMessage: &waE2E.ExtendedTextMessage{ContextInfo: &waE2E.ContextInfo{ConversionData: thumbnail, CtwaPayload: thumbnail, CtwaSignals: &long, ExternalAdReply: &waE2E.ContextInfo_ExternalAdReplyInfo{Title: &long, Body: &long, CtwaClid: &long, Thumbnail: thumbnail, SourceURL: &long}}}},
		"a long parameter": {HighlyStructuredMessage: hsm(long, long)},
	} {
		event := told(t, m)
		var data eventlog.MessageData
		if err := json.Unmarshal(event.Data, &data); err != nil || !data.Truncated || len(event.Data) > eventlog.MaxData {
			t.Errorf("%s: truncated %t, %d bytes, %v", name, data.Truncated, len(event.Data), err)
		}
		if c := data.Content; c.Interactive != nil && (len(c.Interactive.Choices) > maxChoices || len(c.Interactive.Cards) > maxCards) {
			t.Errorf("%s: %d choices, %d cards", name, len(c.Interactive.Choices), len(c.Interactive.Cards))
		}
		if c := data.Content; name == "many payers" && len(c.Payment.Parts) != maxItems {
			t.Errorf("%s: %d of them", name, len(c.Payment.Parts))
		}
	}
	for name, m := range map[string]*waE2E.Message{
		"payments within payments": nested,
		"lists within lists":       {InteractiveMessage: flows(flow("single_select", deep(30_000)))},
		"lists where texts belong": {InteractiveMessage: flows(flow("review_and_pay", `{"reference_id":[[]],"order":{"items":[1,"x",{"amount":7}]},"total_amount":[],"payment_settings":{"type":1}}`))},
		"no expiry":                {GroupInviteMessage: &waE2E.GroupInviteMessage{InviteExpiration: proto.Int64(1 << 62), GroupJID: proto.String("1002@lid")}},
		"empty ones":               {TemplateMessage: &waE2E.TemplateMessage{}, ListMessage: &waE2E.ListMessage{}, InteractiveMessage: &waE2E.InteractiveMessage{}},
	} {
		if event := told(t, m); len(event.Data) > 10<<10 {
			t.Errorf("%s: %s", name, event.Data)
		}
	}
}

// jsonOf draws a JSON value in which the names of native flows occur, or something that is nearly JSON.
func jsonOf(t *rapid.T, depth int) string {
	names := []string{
		"display_text", "title", "id", "url", "phone_number", "copy_code", "sections", "rows", "order", "items", "amount", "value", "offset", "currency",
		"total_amount", "reference_id", "payment_settings", "type", "pix_static_code", "key", "quantity", "payment", "status", "description", "flow_id",
	}
	kind := rapid.IntRange(0, 9).Draw(t, "json")
	if depth == 0 {
		kind = min(kind, 5)
	}
	switch kind {
	case 0:
		return rapid.SampledFrom([]string{"0", "-1", "1e400", "99999999999999999999999", "12.5", "1E-9", "100"}).Draw(t, "number")
	case 1:
		return "null"
	case 2, 3:
		return quoted(anyText(t))
	case 4:
		return rapid.SampledFrom([]string{"{", "]", `"`, "\x00", "", "true", `"\ud800"`, `{"a":1}}`}).Draw(t, "odd")
	case 5:
		return "100"
	default:
		var list []string
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			item := jsonOf(t, depth-1)
			if kind < 9 {
				item = quoted(rapid.SampledFrom(names).Draw(t, "name")) + ":" + item
			}
			list = append(list, item)
		}
		if kind < 9 {
			return "{" + strings.Join(list, ",") + "}"
		}
		return "[" + strings.Join(list, ",") + "]"
	}
}

func TestWhateverANativeFlowSaysIsTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"", "quick_reply", "cta_url", "single_select", "galaxy_message", "review_and_pay", "order_status", "payment_info", "\x00"}).Draw(t, "flow")
		params := jsonOf(t, 4)
		for _, m := range []*waE2E.Message{{InteractiveMessage: flows(flow(name, params))}, flowReply(anyText(t), name, params)} {
			raw, err := proto.Marshal(m)
			if err != nil {
				t.Skip("no stanza can carry this")
			}
			if err = proto.Unmarshal(raw, m); err != nil {
				t.Skip("whatsmeow refuses it")
			}
			event := told(t, m)
			checkBounds(t, &event)
		}
	})
}
