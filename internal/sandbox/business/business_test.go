package business

import (
	"errors"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

func sample(form Form) Content {
	return Content{
		Form: form, ID: "7", Header: "Ready", Footer: "The shop", Button: "Show", Items: []Item{{Name: "Cake"}},
		Choices: []Choice{{Kind: KindReply, ID: "yes", Text: "Yes"}, {Kind: KindRow, ID: "s", Text: "Small"}, {Kind: KindFlow, ID: "9", Text: "Book"}},
		Cards:   []Card{{Text: "one", Choices: []Choice{{Kind: KindReply, ID: "no", Text: "No"}, {Kind: KindReply, ID: "yes", Text: "Yes"}}}},
	}
}

// TestWhatIsWrittenIsShown: every form, as a receiver decodes it.
func TestWhatIsWrittenIsShown(t *testing.T) {
	for _, form := range Forms() {
		m := sample(form)
		if err := m.Check(); err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		raw, err := proto.Marshal(m.Compose(Parts{Text: "the words", Context: &waE2E.ContextInfo{StanzaID: proto.String("3EB0")}}))
		content := new(waE2E.Message)
		if err != nil || proto.Unmarshal(raw, content) != nil {
			t.Fatalf("%s: %v", form, err)
		}
		seen, ok := Read(content)
		silent := form == FormDecline || form == FormCancel || form == FormPayInvite
		if !ok || !silent && Words(content) != "the words" || !silent && form != FormInvoice && seen.Context.GetStanzaID() != "3EB0" {
			t.Errorf("%s is shown as %+v, %t", form, seen, ok)
		}
		if (m.Placeholder() != nil) != (form == FormMasked) {
			t.Errorf("%s has a placeholder: %v", form, m.Placeholder())
		}
	}
}

func TestAChoiceIsTakenInTheFormOfTheOffer(t *testing.T) {
	for form, want := range map[Form]string{
		FormTemplate: "templateButtonReplyMessage", FormStructured: "templateButtonReplyMessage", FormEmbedded: "templateButtonReplyMessage", FormNativeFlow: "templateButtonReplyMessage",
		FormCarousel: "templateButtonReplyMessage", FormButtons: "buttonsResponseMessage", FormList: "listResponseMessage",
	} {
		m := sample(form)
		answer, err := Choose(m.Compose(Parts{}), "yes", "", &waE2E.ContextInfo{})
		if err != nil || !strings.Contains(answer.String(), want) {
			t.Errorf("%s: %v, %v", form, answer, err)
		}
		if seen, ok := Read(answer); !ok || seen.Chosen != "yes" || seen.Context == nil {
			t.Errorf("%s: shown as %+v", form, seen)
		}
		var failed *Error
		if _, err = Choose(m.Compose(Parts{}), "never", "", nil); !errors.As(err, &failed) || failed.Field != "options" {
			t.Errorf("%s: %v", form, err)
		}
	}
	carousel := sample(FormCarousel)
	answer, err := Choose(carousel.Compose(Parts{}), "yes", "", nil)
	if reply := answer.GetTemplateButtonReplyMessage(); err != nil || reply.GetSelectedIndex() != 1 || reply.SelectedCarouselCardIndex == nil {
		t.Errorf("%v, %v", reply, err)
	}
	for id, want := range map[string]string{"s": "menu_options", "9": "flow"} {
		flows := sample(FormNativeFlow)
		answer, err = Choose(flows.Compose(Parts{}), id, `{"name":"Ana"}`, nil)
		if got := answer.GetInteractiveResponseMessage().GetNativeFlowResponseMessage(); err != nil || got.GetName() != want {
			t.Errorf("%s: %v, %v", id, got, err)
		}
	}
}

func TestAMessageThatNoFormFitsIsRefused(t *testing.T) {
	for field, m := range map[string]Content{
		"business.form": {Form: "poster"}, "business.items": {Form: FormProduct}, "business.choices": {Form: FormList, Choices: make([]Choice, maxChoices+1)},
	} {
		var failed *Error
		if err := m.Check(); !errors.As(err, &failed) || failed.Field != field || failed.Reason == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestWhateverIsDecodedIsShown: strangers write whatever they like.
func TestWhateverIsDecodedIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := new(waE2E.Message)
		if proto.Unmarshal(rapid.SliceOf(rapid.Byte()).Draw(t, "message"), content) != nil {
			return
		}
		Read(content)
		name, params := rapid.SampledFrom([]string{"single_select", "quick_reply", ""}).Draw(t, "name"), rapid.String().Draw(t, "params")
		Read(&waE2E.Message{InteractiveMessage: &waE2E.InteractiveMessage{InteractiveMessage: nativeFlows([]flow{{name, params}})}})
	})
	for _, m := range []*waE2E.Message{nil, {}, {TemplateMessage: &waE2E.TemplateMessage{}}, {InteractiveMessage: &waE2E.InteractiveMessage{}}, {RequestPaymentMessage: &waE2E.RequestPaymentMessage{}}} {
		if words := Words(m); words != "" {
			t.Errorf("%v says %q", m, words)
		}
	}
}
