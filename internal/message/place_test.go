package message_test

import (
	"errors"
	"testing"

	"wasup/internal/message"
	"wasup/internal/session"
)

func TestAnAnswerToAStatusGoesToItsAuthor(t *testing.T) {
	author := message.Address{LID: "123456789@lid", PN: "34600111222@s.whatsapp.net"}
	status := message.Address{Status: "status@broadcast"}
	ref := message.Ref{ID: "A", Sender: author}
	answer := message.Content{Kind: message.KindText, Text: "x", Quote: &ref}
	to, content, err := message.Addressed(message.StatusChat, answer)
	if err != nil || to != "123456789@lid" || content.Quote.Chat != status || ref.Chat == status {
		t.Errorf("an answer goes to %s with %+v, %v", to, content.Quote, err)
	}
	to, content, err = message.Addressed(message.StatusChat, message.Content{Kind: message.KindReaction, Reaction: "👍", Target: &ref})
	if err != nil || to != "123456789@lid" || content.Target.Chat != status {
		t.Errorf("a reaction goes to %s with %+v, %v", to, content.Target, err)
	}
	named := answer
	named.Quote = &message.Ref{ID: "A", Chat: status}
	if to, _, err = message.Addressed("34600111222@s.whatsapp.net", named); err != nil || to != "34600111222@s.whatsapp.net" {
		t.Errorf("an answer to the author goes to %s, %v", to, err)
	}
	for field, refused := range map[string]struct {
		to      message.Recipient
		content message.Content
		code    session.Code
	}{
		"to":            {message.StatusChat, message.TextOf("x"), session.CodeUnsupported},
		"quote.sender":  {message.StatusChat, message.Content{Kind: message.KindText, Text: "x", Quote: &message.Ref{ID: "A"}}, session.CodeInvalidRequest},
		"quote.from_me": {message.StatusChat, message.Content{Kind: message.KindText, Text: "x", Quote: &message.Ref{ID: "A", FromMe: true}}, session.CodeUnsupported},
		"target.sender": {message.StatusChat, message.Content{Kind: message.KindReaction, Target: &message.Ref{ID: "A"}}, session.CodeInvalidRequest},
		"quote.chat":    {"34600111222@s.whatsapp.net", message.Content{Kind: message.KindText, Text: "x", Quote: &message.Ref{ID: "A", Chat: message.Address{Group: "120363041234567890@g.us"}}}, session.CodeUnsupported},
	} {
		_, _, err := message.Addressed(refused.to, refused.content)
		var e *session.Error
		if !errors.As(err, &e) || e.Code != refused.code || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, to := range []message.Recipient{"120363041234567890@g.us", "1500000000@broadcast", "120363041234567890@newsletter"} {
		if _, _, err := message.Addressed(to, named); session.CodeOf(err) != session.CodeUnsupported {
			t.Errorf("an answer to a status in %s: %v", to, err)
		}
		if _, _, err := message.Addressed(message.StatusChat, message.Content{Kind: message.KindRevoke, Target: &ref}); session.CodeOf(err) != session.CodeUnsupported {
			t.Errorf("a revocation of a status: %v", err)
		}
	}
}
