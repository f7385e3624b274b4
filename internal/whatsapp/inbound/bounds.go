package inbound

import (
	"math"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
)

// Senders choose the numbers and times of their messages. A number outside of these bounds is left out of the event, as
// if the sender had not given it. docs/events.md lists them.
const (
	maxFileSize   = 4 << 30            // bytes; WhatsApp accepts files of 2 GB
	maxSide       = 65_535             // pixels
	maxSeconds    = 7 * 24 * 60 * 60   // a week of sound
	maxExpiration = 365 * 24 * 60 * 60 // seconds; the apps offer 90 days at most
	maxWaveform   = 64                 // values of a voice note's waveform
	maxLoudness   = 100                // of such a value
	maxAhead      = 7 * 24 * time.Hour // of a time, ahead of our clock
	maxDigits     = 20                 // of a phone number or a LID
	maxUser       = 64                 // bytes of the name of a group or a channel
	maxChosen     = 100                // options of a vote
	maxReceipts   = 256                // messages of one receipt event; receipts of whatsmeow and of ours have no more
	maxID         = 255                // bytes of an id that a sender chose
	maxForwards   = 10_000             // how often a message was passed on
	// maxGroupMentions is the number of groups that a text names. message.Content has the same limit.
	maxGroupMentions = 100
)

// oldest is the earliest time that a stanza can be from: WhatsApp began in 2009.
var oldest = time.Date(2009, time.January, 1, 0, 0, 0, 0, time.UTC)

// Moment returns the time of a stanza in UTC. A time before 2009, or more than a week ahead of our clock, is replaced by
// the time of receipt: it is no time at which the stanza can have been sent, and JSON has no year above 9999.
func Moment(at time.Time) time.Time {
	now := time.Now()
	if at.Before(oldest) || at.After(now.Add(maxAhead)) {
		return now.UTC().Truncate(time.Second)
	}
	return at.UTC()
}

// within returns the number, or 0 if it is above the limit.
func within[N uint32 | uint64](n N, limit uint64) uint64 {
	if uint64(n) > limit {
		return 0
	}
	return uint64(n)
}

// onEarth reports whether the coordinates, in degrees, are a place.
func onEarth(latitude, longitude float64) bool {
	return math.Abs(latitude) <= 90 && math.Abs(longitude) <= 180 // false for NaN
}

// waveform returns the waveform of a voice note, with the values in their bounds.
func waveform(values []byte) []byte {
	if len(values) == 0 {
		return nil
	}
	out := make([]byte, min(len(values), maxWaveform))
	for i := range out {
		out[i] = min(values[i], maxLoudness)
	}
	return out
}

// idOf returns an id that a sender chose, without what a database cannot store and not longer than maxID.
func idOf(id string) string {
	if len(id) > maxID {
		id = id[:maxID]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(id, "\uFFFD"), "\x00", "\uFFFD")
}

// parseJID parses an address that a sender chose. ok false: WhatsApp has no such address.
func parseJID(text string) (jid types.JID, ok bool) {
	jid, err := types.ParseJID(text)
	if err != nil || jid.User == "" || len(text) > message.MaxAddress {
		return jid, false
	}
	switch jid.Server {
	case types.DefaultUserServer, types.HiddenUserServer, types.HostedServer, types.HostedLIDServer, types.LegacyUserServer:
		return jid, len(jid.User) <= maxDigits && !strings.ContainsFunc(jid.User, isNoDigit)
	case types.GroupServer, types.BroadcastServer, types.NewsletterServer, types.BotServer:
		return jid, len(jid.User) <= maxUser && !strings.ContainsFunc(jid.User, func(r rune) bool {
			return isNoDigit(r) && r != '-' && (r < 'a' || r > 'z')
		})
	default:
		return jid, false
	}
}

func isNoDigit(r rune) bool { return r < '0' || r > '9' }
