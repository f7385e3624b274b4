// Package timers knows the disappearing timers of chats: what messages say of them, and which setting holds.
//
// In a chat with one person the setting is known to the two accounts only. The server keeps the setting of a group.
package timers

import (
	"maps"
	"sync"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Setting is the timer of a chat.
type Setting struct {
	// Seconds is after how many seconds messages disappear. 0: never.
	Seconds uint32 `json:"seconds"`
	// At is the Unix time of the setting, in seconds. 0: not known, as in groups.
	At int64 `json:"at"`
	// ByMe says that the account itself made the setting.
	ByMe bool `json:"by_me"`
}

// Book has the settings of an account's chats with other people, by the hidden id of the other one.
type Book struct {
	mu       sync.Mutex
	settings map[string]Setting
}

// NewBook returns a book with these settings.
func NewBook(settings map[string]Setting) *Book {
	b := &Book{settings: maps.Clone(settings)}
	if b.settings == nil {
		b.settings = make(map[string]Setting)
	}
	return b
}

// Of returns the setting of a chat.
func (b *Book) Of(lid string) Setting {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settings[lid]
}

// Offer adopts a setting unless the book has a newer one.
func (b *Book) Offer(lid string, s Setting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.At >= b.settings[lid].At {
		b.settings[lid] = s
	}
}

// Settings returns all settings.
func (b *Book) Settings() map[string]Setting {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.settings)
}

// Mark writes a setting into a message's context, as the apps do. The time is that of a chat with one person: a group's
// setting has none.
func (s Setting) Mark(info *waE2E.ContextInfo) {
	if s.Seconds == 0 {
		return
	}
	info.Expiration = &s.Seconds
	if s.At == 0 {
		return
	}
	info.EphemeralSettingTimestamp = &s.At
	info.DisappearingMode = &waE2E.DisappearingMode{
		Initiator: waE2E.DisappearingMode_CHANGED_IN_CHAT.Enum(), Trigger: waE2E.DisappearingMode_CHAT_SETTING.Enum(),
		InitiatedByMe: proto.Bool(s.ByMe),
	}
}

// Stated returns the setting that a message of somebody states in its context, by that person's own account of who made
// it. known is false if the message does not say when it was made.
func Stated(content *waE2E.Message) (s Setting, known bool) {
	info := contextOf(content)
	return Setting{Seconds: info.GetExpiration(), At: info.GetEphemeralSettingTimestamp(), ByMe: info.GetDisappearingMode().GetInitiatedByMe()},
		info.GetEphemeralSettingTimestamp() > 0
}

// Disappears reports whether a message is of a kind that disappears by itself. Reactions, votes, edits, revocations and
// settings belong to another message or to none.
func Disappears(content *waE2E.Message) bool {
	return content.ReactionMessage == nil && content.EncReactionMessage == nil && content.PollUpdateMessage == nil &&
		content.ProtocolMessage == nil && content.SecretEncryptedMessage == nil && content.KeepInChatMessage == nil &&
		content.PinInChatMessage == nil
}

// contextOf returns the context of a message's content, whatever its kind, or nil.
func contextOf(content *waE2E.Message) (info *waE2E.ContextInfo) {
	content.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Message() == nil || field.IsList() {
			return true
		}
		if part, has := value.Message().Interface().(interface{ GetContextInfo() *waE2E.ContextInfo }); has {
			info = part.GetContextInfo()
		}
		return info == nil
	})
	return info
}
