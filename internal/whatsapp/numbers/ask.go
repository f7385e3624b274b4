package numbers

import (
	"context"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
)

// Ask asks WhatsApp about numbers in digits. The answers are by number.
func Ask(ctx context.Context, wa *whatsmeow.Client, users []string) (map[string]types.IsOnWhatsAppResponse, error) {
	questions := make([]string, len(users))
	for i, digits := range users {
		questions[i] = "+" + digits
	}
	answers, err := wa.IsOnWhatsApp(ctx, questions)
	if err != nil {
		return nil, err
	}
	found := make(map[string]types.IsOnWhatsAppResponse, len(answers))
	for _, answer := range answers {
		found[strings.TrimPrefix(answer.Query, "+")] = answer
	}
	return found, nil
}

// Addresses returns the addresses of those who have an account.
func Addresses(answers map[string]types.IsOnWhatsAppResponse) map[string]message.Address {
	found := make(map[string]message.Address, len(answers))
	for user, answer := range answers {
		if answer.IsIn {
			found[user] = AddressOf(answer)
		}
	}
	return found
}

// AddressOf returns the address in WhatsApp's answer about a number.
func AddressOf(answer types.IsOnWhatsAppResponse) (address message.Address) {
	for _, jid := range []types.JID{answer.JID, answer.PhoneNumber} {
		switch jid.Server {
		case types.HiddenUserServer:
			address.LID = jid.ToNonAD().String()
		case types.DefaultUserServer:
			address.PN = jid.ToNonAD().String()
		}
	}
	return address
}

// Chat returns the chat with a person: WhatsApp moves chats from phone numbers to LIDs. Without an address it is that of the
// number.
func Chat(address message.Address, number string) types.JID {
	if jid, err := types.ParseJID(address.String()); err == nil && jid.User != "" {
		return jid.ToNonAD()
	}
	return types.NewJID(number, types.DefaultUserServer)
}
