package whatsapp_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/business"
	"wasup/internal/sandbox/phones"
)

// contentOf returns the content of an event as it is stored.
func contentOf(t *testing.T, event events.Event) string {
	t.Helper()
	var data struct {
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(event.Data, &data); err != nil {
		t.Fatal(err)
	}
	return string(data.Content)
}

// offers returns one message of each form, with what its event must contain.
func (h *hearing) offers() map[business.Form]struct {
	out  phones.Outgoing
	want []string
} {
	type offer = struct {
		out  phones.Outgoing
		want []string
	}
	choices := []business.Choice{
		{Kind: business.KindReply, ID: "yes-1", Text: "Yes"}, {Kind: business.KindURL, Text: "Visit", URL: "https://shop.example/1"}, {Kind: business.KindCall, Text: "Call", Number: "+34600"},
	}
	three := `"choices":[{"kind":"reply","id":"yes-1","text":"Yes"},{"kind":"url","text":"Visit","url":"https://shop.example/1"},{"kind":"call","text":"Call","number":"+34600"}]`
	rows := []business.Choice{
		{Kind: business.KindRow, ID: "s", Text: "Small", Description: "one person", Section: "Cakes"}, {Kind: business.KindRow, ID: "l", Text: "Large", Section: "Cakes"}, {Kind: business.KindRow, ID: "t", Text: "Tea", Section: "Drinks"},
	}
	rowsTold := `"choices":[{"kind":"row","id":"s","text":"Small","description":"one person","section":"Cakes"},{"kind":"row","id":"l","text":"Large","section":"Cakes"},{"kind":"row","id":"t","text":"Tea","section":"Drinks"}]`
	pdf := &phones.Attachment{MIME: "application/pdf", FileName: "bill.pdf", Data: []byte("%PDF-1.4 bill")}
	picture := &phones.Attachment{MIME: "image/png", Data: []byte(pixel)}
	item := business.Item{ID: "sku-1", ProductID: "77", Name: "Cake", Quantity: 2, Price: 12_500}
	seller := `"seller":` + addressed(h.peer)
	of := func(m business.Content, file *phones.Attachment, want ...string) offer {
		return offer{phones.Outgoing{Kind: phones.KindBusiness, Text: "the words of " + string(m.Form), Business: &m, Media: file}, want}
	}
	account := h.peer.LID().ToNonAD().String()
	return map[business.Form]offer{
		business.FormTemplate: of(business.Content{Form: business.FormTemplate, ID: "t1", Header: "Ready", Footer: "The shop", Choices: choices}, nil,
			`"kind":"interactive"`, `"type":"template","id":"t1","header":"Ready","footer":"The shop",`+three),
		business.FormFourRow:    of(business.Content{Form: business.FormFourRow, ID: "t2", Choices: choices}, nil, `"kind":"interactive"`, three),
		business.FormEmbedded:   of(business.Content{Form: business.FormEmbedded, ID: "t3", Choices: choices}, picture, `"type":"native_flow","id":"t3"`, three, `"media":{"id":"`),
		business.FormStructured: of(business.Content{Form: business.FormStructured, ID: "t4", Choices: choices}, pdf, `"type":"template","id":"t4"`, three, `"name":"bill.pdf"`),
		business.FormButtons:    of(business.Content{Form: business.FormButtons, Footer: "The shop", Choices: choices}, picture, `"type":"buttons","footer":"The shop"`, three, `"media":{"id":"`),
		business.FormList:       of(business.Content{Form: business.FormList, Header: "Menu", Button: "Show", Choices: rows}, nil, `"type":"list","header":"Menu","button":"Show"`, rowsTold),
		business.FormProducts:   of(business.Content{Form: business.FormProducts, Subtitle: "Cakes", Items: []business.Item{item}, Account: account}, nil, `"choices":[{"kind":"product","id":"77","section":"Cakes"}]`, `"owner":`+addressed(h.peer)),
		business.FormNativeFlow: of(business.Content{Form: business.FormNativeFlow, Subtitle: "today", Choices: append(choices[:3:3], append(rows[:3:3], business.Choice{Kind: business.KindCopy, ID: "x", Text: "Copy", Code: "SALE"}, business.Choice{Kind: business.KindFlow, ID: "9", Text: "Book"})...)}, nil,
			`"type":"native_flow","subtitle":"today"`, strings.TrimSuffix(three, "]"), strings.TrimSuffix(strings.TrimPrefix(rowsTold, `"choices":[`), "]"), `{"kind":"copy","id":"x","text":"Copy","code":"SALE"}`, `{"kind":"flow","id":"9","text":"Book"}`),
		business.FormCarousel: of(business.Content{Form: business.FormCarousel, Cards: []business.Card{{Header: "One", Text: "first", Choices: choices}, {Text: "second", Choices: []business.Choice{{Kind: business.KindReply, ID: "no", Text: "No"}}}}}, nil,
			`"type":"carousel"`, `"cards":[{"header":"One","text":"first",`+three+`},{"text":"second","choices":[{"kind":"reply","id":"no","text":"No"}]}]`),
		business.FormShop:       of(business.Content{Form: business.FormShop, ID: "8"}, nil, `"type":"shop","id":"8"`),
		business.FormCollection: of(business.Content{Form: business.FormCollection, ID: "8", Account: account}, nil, `"type":"collection","id":"8","owner":`+addressed(h.peer)),
		business.FormInvite: of(business.Content{Form: business.FormInvite, Group: "120363@g.us", Code: "AbC", Header: "Friends", Expires: 1_893_456_000}, nil,
			`"kind":"group_invite"`, `"group_invite":{"group":{"group":"120363@g.us"},"name":"Friends","code":"AbC","expires_at":"2030-01-01T00:00:00Z","inviter":`+addressed(h.peer)),
		business.FormOrder: of(business.Content{Form: business.FormOrder, ID: "1042", Token: "T==", Header: "Cake", Count: 3, Amount: 37_500, Currency: "EUR", Account: account}, nil,
			`"kind":"order"`, `"order":{"id":"1042","token":"T==","title":"Cake","status":"inquiry",`+seller+`,"items_count":3,"total":{"value":"37.5","currency":"EUR"}}`),
		business.FormOrderDetail: of(business.Content{Form: business.FormOrderDetail, ID: "1042", Status: "pending", Items: []business.Item{item}, Amount: 25_000, Currency: "BRL", PixKey: "key"}, nil,
			`"kind":"interactive"`, `{"kind":"review_and_pay","id":"1042"`, `"order":{"id":"1042","status":"pending","type":"physical-goods","items_count":1,"items":[{"id":"sku-1","product_id":"77","name":"Cake","quantity":2,"price":{"value":"12.5","currency":"BRL"}}],"total":{"value":"25","currency":"BRL"},"subtotal":{"value":"25","currency":"BRL"},"payment_methods":[{"type":"pix_static_code","key":"key","key_type":"EVP"}]}`),
		business.FormOrderStatus: of(business.Content{Form: business.FormOrderStatus, ID: "1042", Status: "shipped", Subtitle: "by bike"}, nil, `"order":{"id":"1042","status":"shipped","description":"by bike"}`),
		business.FormProduct: of(business.Content{Form: business.FormProduct, Items: []business.Item{item}, Currency: "EUR", Account: account}, picture,
			`"kind":"product"`, `"product":{"id":"77","retailer_id":"sku-1","title":"Cake","price":{"value":"12.5","currency":"EUR"},"pictures":1,`+seller+`}`, `"media":{"id":"`),
		business.FormRequest: of(business.Content{Form: business.FormRequest, Amount: 250_000, Currency: "INR", Account: h.own.LID().ToNonAD().String(), Expires: 1_893_456_000}, nil,
			`"kind":"payment"`, `"payment":{"type":"request","amount":{"value":"250","currency":"INR"},"from":`+addressed(h.own)+`,"expires_at":"2030-01-01T00:00:00Z"}`),
		business.FormPayment:   of(business.Content{Form: business.FormPayment}, nil, `"payment":{"type":"sent"}`),
		business.FormDecline:   of(business.Content{Form: business.FormDecline}, nil, `"payment":{"type":"declined"}`),
		business.FormCancel:    of(business.Content{Form: business.FormCancel}, nil, `"payment":{"type":"cancelled"}`),
		business.FormPayInvite: of(business.Content{Form: business.FormPayInvite, Service: "pix"}, nil, `"payment":{"type":"invite","service":"pix"}`),
		business.FormInvoice:   of(business.Content{Form: business.FormInvoice, ID: "T"}, pdf, `"payment":{"type":"invoice","token":"T"}`, `"media":{"id":"`),
	}
}

func addressed(phone *sandbox.Phone) string {
	out, _ := json.Marshal(addressOf(phone))
	return string(out)
}

// TestWhatABusinessWritesIsToldInAChatAndInAGroup: each form, to the account and to a group, and by the account's own
// phone, whose copy for the session is wrapped.
func TestWhatABusinessWritesIsToldInAChatAndInAGroup(t *testing.T) {
	h := newHearing(t)
	group, err := h.peer.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
	h.must(err)
	h.next(events.TypeGroup)
	request := h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "please pay"})
	h.message(events.TypeMessage)
	offers := h.offers()
	for _, form := range business.Forms() {
		offer, has := offers[form]
		if !has && form != business.FormMasked {
			t.Errorf("no message of the form %s", form)
		}
		if !has {
			continue
		}
		bare := form == business.FormDecline || form == business.FormCancel || form == business.FormPayInvite
		for _, c := range []struct {
			by *sandbox.Phone
			to string
		}{{h.peer, h.own.Number()}, {h.peer, group.String()}, {h.own, h.peer.Number()}} {
			out := offer.out
			out.To, out.Quote = c.to, ""
			pays := strings.HasPrefix(string(form), "payment") && form != business.FormPayInvite && form != business.FormRequest
			if pays && c.to == h.own.Number() {
				out.Quote = request
			}
			out.Expiration = 86400 // a wrapper
			if bare {
				out.Text, out.Expiration = "", 0
			}
			id := h.send(c.by, out)
			data, event := h.message(events.TypeMessage)
			got := contentOf(t, event)
			for _, want := range offer.want {
				if c.by == h.own {
					want = strings.ReplaceAll(want, `"inviter":`+addressed(h.peer), `"inviter":`+addressed(h.own))
				}
				if !strings.Contains(got, want) {
					t.Errorf("%s to %s: no\n%s\nin\n%s", form, c.to, want, got)
				}
			}
			if data.ID != id || data.FromMe != (c.by == h.own) || data.Content.Text != out.Text || data.Truncated {
				t.Errorf("%s to %s: %s", form, c.to, event.Data)
			}
			if target := data.Content.Target; (target != nil && target.ID == request) != (out.Quote != "") {
				t.Errorf("%s is about %+v", form, target)
			}
			if out.Media != nil {
				h.fetches(event, out.Media.Data)
			}
		}
	}
	h.noSurprises()
}

// fetches checks that the file of an event can be downloaded.
func (h *hearing) fetches(event events.Event, want []byte) {
	h.t.Helper()
	var data events.MessageData
	h.must(json.Unmarshal(event.Data, &data))
	carrier, err := h.store.Events().Media(testContext(h.t), "51", data.Content.Media.ID)
	h.must(err)
	to, err := os.Create(filepath.Join(h.t.TempDir(), "fetched"))
	h.must(err)
	err = h.life.client.(message.Client).FetchMedia(testContext(h.t), *carrier.Remote, to)
	_ = to.Close()
	got, readErr := os.ReadFile(to.Name())
	if err != nil || readErr != nil || string(got) != string(want) {
		h.t.Errorf("fetched %d bytes of %s, %v, %v", len(got), event.Data, err, readErr)
	}
}

// TestAChoiceHasItsIDAndTheMessageThatOffersIt: somebody takes what the account's own phone offers, and a reply to an offer
// quotes its words.
func TestAChoiceHasItsIDAndTheMessageThatOffersIt(t *testing.T) {
	h := newHearing(t)
	offers := h.offers()
	group, err := h.peer.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
	h.must(err)
	h.next(events.TypeGroup)
	for _, c := range []struct {
		form   business.Form
		choose string
		filled string
		text   string
		want   string
	}{
		{business.FormTemplate, "yes-1", "", "Yes", `{"kind":"reply","id":"yes-1","index":0}`},
		{business.FormEmbedded, "yes-1", "", "Yes", `{"kind":"reply","id":"yes-1","index":0}`},
		{business.FormButtons, "yes-1", "", "Yes", `{"kind":"reply","id":"yes-1"}`},
		{business.FormList, "s", "", "Small", `{"kind":"row","id":"s","description":"one person"}`},
		{business.FormNativeFlow, "l", "", "Large", `{"kind":"row","id":"l","params":"{\"description\":\"\",\"id\":\"l\"}"}`},
		{business.FormNativeFlow, "9", `{"name":"Ana"}`, "Sent", `{"kind":"flow","params":"{\"name\":\"Ana\"}"}`},
		{business.FormCarousel, "no", "", "No", `{"kind":"reply","id":"no","index":0,"card":1}`},
	} {
		for _, to := range []string{h.peer.Number(), group.String()} {
			offer := offers[c.form].out
			offer.To = to
			id := h.send(h.own, offer)
			h.message(events.TypeMessage)
			shows(t, h.peer, id, func(m phones.Message) bool {
				return m.Kind == phones.KindBusiness && m.Text == offer.Text && len(m.Business.Choices) > 0
			})
			back := h.own.Number()
			if to == group.String() {
				back = to
			}
			answer := h.send(h.peer, phones.Outgoing{To: back, Kind: phones.KindChoice, Quote: id, Options: []string{c.choose}, Text: c.filled})
			data, event := h.message(events.TypeMessage)
			if got := contentOf(t, event); data.Content.Kind != message.KindText || data.Content.Text != c.text || !strings.Contains(got, `"answer":`+c.want) {
				t.Errorf("%s: %s", c.form, got)
			}
			if q := data.Content.Quote; q == nil || q.ID != id || !q.FromMe || q.Claimed || q.Kind != message.KindInteractive || q.Text != offer.Text {
				t.Errorf("%s: it quotes %+v", c.form, q)
			}
			shows(t, h.own, answer, func(m phones.Message) bool { return m.Kind == phones.KindChoice && m.Text == c.text })
		}
	}
	for _, form := range []business.Form{business.FormProduct, business.FormOrder, business.FormList} {
		offer := offers[form].out
		offer.To, offer.Text = h.own.Number(), ""
		id := h.send(h.peer, offer)
		first, _ := h.message(events.TypeMessage)
		h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "this one", Quote: id})
		data, event := h.message(events.TypeMessage)
		q := data.Content.Quote
		if q == nil || q.ID != id || q.Kind != first.Content.Kind || q.Text != first.Content.Words() || q.Text == "" || (q.Product != nil) != (form == business.FormProduct) {
			t.Errorf("a reply to %s: %s", form, event.Data)
		}
		out := message.Outgoing{ID: "3EB0" + strings.ToUpper(fmt.Sprintf("%018x", string(form))), To: message.Recipient(h.peer.LID().String()), Content: message.Content{Kind: message.KindText, Text: "yes", Quote: &message.Ref{ID: id}}}
		_, err := h.life.client.Send(testContext(t), out)
		h.must(err)
		if m := shows(t, h.peer, out.ID, nil); m.Quote == nil || m.Quote.Text != q.Text {
			t.Errorf("wasup's reply to %s quotes %+v", form, m.Quote)
		}
	}
	h.noSurprises()
}

// TestACodeThatOnlyThePhoneShowsIsUnavailable: the phone has the code, and the session is told that there is one.
func TestACodeThatOnlyThePhoneShowsIsUnavailable(t *testing.T) {
	h := newHearing(t)
	id := h.send(h.peer, phones.Outgoing{To: h.own.Number(), Kind: phones.KindBusiness, Text: "Your code is 123456", Business: &business.Content{Form: business.FormMasked}})
	data, event := h.message(events.TypeUndecryptable)
	if data.ID != id || data.Unavailable != "mask_linked_devices" || data.Content != nil || data.Sender != addressOf(h.peer) {
		t.Errorf("told as %s", event.Data)
	}
	shows(t, h.own, id, func(m phones.Message) bool { return m.Text == "Your code is 123456" })
	if _, said, _ := h.hear(phones.Outgoing{Text: "did it come?"}, events.TypeMessage); said.Text != "did it come?" {
		t.Errorf("%+v", said)
	}
	h.noSurprises()
}

func TestAnAdvertisementIsToldWithTheMessageThatItLedTo(t *testing.T) {
	h := newHearing(t)
	referral := &business.Referral{SourceType: "ad", SourceID: "1203", SourceURL: "https://fb.me/1", SourceApp: "instagram", ClickID: "ARA", Title: "Cakes", Body: "Half price", MediaURL: "https://m", Thumbnail: []byte{1}, EntryPoint: "ctwa_ad"}
	const want = `"referral":{"source_type":"ad","source_id":"1203","source_url":"https://fb.me/1","source_app":"instagram","ctwa_clid":"ARA","ad_type":"ctwa","title":"Cakes","body":"Half price","media_type":"image","media_url":"https://m","thumbnail":"AQ==",` +
		`"conversion":{"source":"FB_Ads","delay_seconds":9},"entry_point":{"source":"ctwa_ad","app":"instagram"}}`
	offers := h.offers()
	for _, out := range []phones.Outgoing{
		{Text: "hi"},
		{Kind: phones.KindImage, Media: &phones.Attachment{Data: []byte(pixel)}},
		{Kind: phones.KindLocation, Location: &phones.Location{Latitude: 1, Longitude: 2}},
		{Kind: phones.KindPoll, Text: "?", Options: []string{"a", "b"}},
		offers[business.FormList].out, offers[business.FormTemplate].out, offers[business.FormEmbedded].out, offers[business.FormRequest].out, offers[business.FormStructured].out,
	} {
		out.Referral = referral
		if _, _, event := h.hear(out, events.TypeMessage); !strings.Contains(contentOf(t, event), want) {
			t.Errorf("%s: %s", out.Kind, event.Data)
		}
	}
	h.noSurprises()
}

// TestAnOfferWithoutMeasureIsKeptWithinTheLimits: no app writes ten thousand rows, but a stranger's program may.
func TestAnOfferWithoutMeasureIsKeptWithinTheLimits(t *testing.T) {
	h := newHearing(t)
	rows := make([]business.Choice, 3_000)
	for i := range rows {
		rows[i] = business.Choice{Kind: business.KindRow, ID: fmt.Sprint(i), Text: strings.Repeat("é", 100)}
	}
	for _, form := range []business.Form{business.FormList, business.FormNativeFlow} {
		h.send(h.peer, phones.Outgoing{To: h.own.Number(), Kind: phones.KindBusiness, Text: "x", Business: &business.Content{Form: form, Choices: rows}})
		data, event := h.message(events.TypeMessage)
		if n := len(data.Content.Interactive.Choices); !data.Truncated || n > 256 || len(event.Data) > events.MaxData || (form == business.FormList) != (n == 256) {
			t.Errorf("%s: %d choices, truncated %t, %d bytes", form, n, data.Truncated, len(event.Data))
		}
	}
	long, broken := strings.Repeat("x", 1<<20), `{"sections":[{"rows":[`
	raw, err := proto.Marshal(&waE2E.Message{ViewOnceMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{InteractiveMessage: &waE2E.InteractiveMessage{
		Body: &waE2E.InteractiveMessage_Body{Text: &long},
		InteractiveMessage: &waE2E.InteractiveMessage_NativeFlowMessage_{NativeFlowMessage: &waE2E.InteractiveMessage_NativeFlowMessage{Buttons: []*waE2E.InteractiveMessage_NativeFlowMessage_NativeFlowButton{
			{Name: proto.String("single_select"), ButtonParamsJSON: &broken},
		}}},
	}}}})
	h.must(err)
	h.send(h.peer, phones.Outgoing{To: h.own.Number(), Kind: phones.KindRaw, Raw: raw})
	if data, event := h.message(events.TypeMessage); !data.Truncated || len(data.Content.Text) != 65_536 || data.Content.Interactive.Choices[0].Params != broken {
		t.Errorf("%.300s", event.Data)
	}
	h.noSurprises()
}
