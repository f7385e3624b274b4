package message

import "time"

// MaxTimer is the longest disappearing timer that is believed: a year. The apps offer 90 days at most.
const MaxTimer = 365 * 24 * time.Hour

// Timer is the disappearing timer of a chat: a setting that one of its people made.
type Timer struct {
	// Seconds is after how many seconds new messages disappear. 0: the timer is off.
	Seconds int
	// SetAt is when the setting was made, in whole seconds; the zero time: not known.
	SetAt time.Time
	// ByMe says that the account itself made the setting.
	ByMe bool
	// Initiator and Trigger are WhatsApp's numbers for how the setting came about (DisappearingMode); 0: not known.
	Initiator, Trigger int
	// Source is the id of the message by which the setting was learned; "" if it was no message.
	Source string
}

// Replaces reports whether the setting holds instead of a stored one: the newest one does. Of two from the same second it
// is the one that came later. A setting of unknown time replaces only another one of unknown time.
func (t Timer) Replaces(stored Timer) bool { return !t.SetAt.Before(stored.SetAt) }
