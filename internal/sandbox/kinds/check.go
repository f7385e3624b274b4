package kinds

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"go.mau.fi/whatsmeow/proto/waE2E"
)

// The bounds of details. They are wider than those of the apps, because strangers send more than an app would write.
const (
	maxCount   = 1000            // files of an album, stickers of a pack, guests that somebody brings along
	maxName    = 1000            // bytes
	maxProse   = 64 << 10        // bytes
	maxSeconds = 315_360_000     // ten years
	maxTime    = 253_402_300_799 // the end of the year 9999
)

// Error says which field of Details is wrong, and what is expected.
type Error struct {
	Field  string
	Reason string
}

func (e *Error) Error() string { return "message " + e.Field + ": " + e.Reason }

// field is one field of Details: the kinds that have it, whether it is given, and whether its value is one of those that
// are wanted.
type field struct {
	name         string
	kinds        []string
	given, valid bool
	want         string
}

// fields describes all fields.
func (d *Details) fields() []field {
	events, named := []string{Event, EventEdit}, []string{Event, EventEdit, ScheduledCall, StickerPack}
	places, timed := []string{Event, EventEdit, LiveLocation}, []string{Event, EventEdit, ScheduledCall}
	count, seconds := fmt.Sprintf("expected 0 to %d", maxCount), fmt.Sprintf("expected 0 to %d", maxSeconds)
	name, prose := fmt.Sprintf("expected at most %d bytes of UTF-8", maxName), fmt.Sprintf("expected at most %d bytes of UTF-8", maxProse)
	outcomes := waE2E.CallLogMessage_CallOutcome_name
	return []field{
		{"images", []string{Album}, d.Images != 0, d.Images <= maxCount, count},
		{"videos", []string{Album}, d.Videos != 0, d.Videos <= maxCount, count},
		{"name", named, d.Name != "", isText(d.Name, maxName), name},
		{"description", []string{Event, EventEdit, StickerPack}, d.Description != "", isText(d.Description, maxProse), prose},
		{"start", timed, d.Start != 0, d.Start >= 0 && d.Start <= maxTime, "expected seconds since 1970, up to the year 9999"},
		{"end", events, d.End != 0, d.End == 0 || d.End >= d.Start && d.End <= maxTime, "expected seconds since 1970, from start up to the year 9999"},
		{"place", events, d.Place != "", isText(d.Place, maxName), name},
		{"latitude", places, d.Latitude != 0, math.Abs(d.Latitude) <= 90, "expected -90 to 90"},
		{"longitude", places, d.Longitude != 0, math.Abs(d.Longitude) <= 180, "expected -180 to 180"},
		{"link", events, d.Link != "", isText(d.Link, maxName), name},
		{"off", []string{Event, EventEdit, Pin, Keep}, d.Off, true, ""},
		{"guests", events, d.Guests, true, ""},
		{"answer", []string{EventAnswer}, d.Answer != "", answers[d.Answer] != 0, "expected going, not_going or maybe"},
		{"extra", []string{EventAnswer}, d.Extra != 0, d.Extra >= 0 && d.Extra <= maxCount, count},
		{"seconds", []string{Pin, CallLog}, d.Seconds != 0, d.Seconds >= 0 && d.Seconds <= maxSeconds, seconds},
		{"video", []string{ScheduledCall, CallLog}, d.Video, true, ""},
		{"outcome", []string{CallLog}, d.Outcome != 0, outcomes[d.Outcome] != "", fmt.Sprintf("expected 0 to %d", len(outcomes)-1)},
		{"publisher", []string{StickerPack}, d.Publisher != "", isText(d.Publisher, maxName), name},
		{"stickers", []string{StickerPack}, d.Stickers != 0, d.Stickers >= 0 && d.Stickers <= maxCount, count},
	}
}

// answers are the answers to the invitation to an event.
var answers = map[string]waE2E.EventResponseMessage_EventResponseType{
	"going":     waE2E.EventResponseMessage_GOING,
	"not_going": waE2E.EventResponseMessage_NOT_GOING,
	"maybe":     waE2E.EventResponseMessage_MAYBE,
}

func isText(text string, most int) bool { return len(text) <= most && utf8.ValidString(text) }

// Check returns an *Error for the first field that a message of the kind does not have, or whose value is wrong.
func (d *Details) Check(kind string) error {
	for _, f := range d.fields() {
		has := slices.Contains(f.kinds, kind)
		switch {
		case f.given && !has:
			return &Error{"details." + f.name, fmt.Sprintf("belongs to the kinds %v", f.kinds)}
		case has && !f.valid:
			return &Error{"details." + f.name, f.want}
		}
	}
	return nil
}
