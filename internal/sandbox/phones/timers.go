package phones

import (
	"go.mau.fi/whatsmeow/proto/waE2E"

	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/kinds"
	"wasup/internal/sandbox/timers"
)

// timerOf returns the disappearing timer of a chat.
func (h *handset) timerOf(in groups.Chat) timers.Setting {
	switch {
	case in.Group() != nil:
		return timers.Setting{Seconds: in.Group().Info().Expiration}
	case in.Account != nil:
		return h.timers.Of(in.Account.LID)
	default:
		return timers.Setting{}
	}
}

// heed adopts the timer that a message sets, or that it states with a newer time than that of the phone's own setting.
// Only the server sets the timer of a group. The apps ignore timers that they do not offer. It also notes whether the
// message stays although the chat's messages disappear.
func (h *handset) heed(content *waE2E.Message, m *Message) {
	content, _ = kinds.Unwrap(content)
	if m.chat.Account != nil {
		offered, known := timers.Stated(content)
		if m.author != h.Account {
			offered.ByMe = false
		}
		if setting := content.GetProtocolMessage(); m.Kind == KindTimer {
			offered = timers.Setting{Seconds: m.Expiration, At: setting.GetEphemeralSettingTimestamp(), ByMe: m.author == h.Account}
			known = true
		}
		m.TimerSetAt = offered.At
		if known && groups.CheckExpiration(offered.Seconds) == nil {
			h.timers.Offer(m.chat.Account.LID, offered)
		}
	}
	m.Stays = timers.Disappears(content) && m.Expiration == 0 && h.timerOf(m.chat).Seconds > 0
}
