package message

import "time"

// This file has the JSON of events with a date, answers to them, pins, kept messages, calls and sticker packs. They are
// only received.

// Occasion is an event with a date, to which people are invited.
type Occasion struct {
	Name        string    `json:"name" clip:"1024"`
	Description string    `json:"description,omitempty" clip:"4096"`
	Start       time.Time `json:"start,omitzero"`
	End         time.Time `json:"end,omitzero"`
	Location    *Venue    `json:"location,omitempty"`
	Link        string    `json:"link,omitempty" clip:"2048"` // of a call to join
	Call        bool      `json:"call,omitempty"`             // it is a call
	Cancelled   bool      `json:"cancelled"`                  // it was called off
	ExtraGuests bool      `json:"extra_guests,omitempty"`     // invited people may bring others
	Reminder    int       `json:"reminder,omitempty"`         // seconds before the start at which people are reminded
}

// Venue is where an event takes place. It has both coordinates or none.
type Venue struct {
	Latitude  *float64 `json:"latitude,omitempty"`  // degrees
	Longitude *float64 `json:"longitude,omitempty"` // degrees
	Name      string   `json:"name,omitempty" clip:"1024"`
	Address   string   `json:"address,omitempty" clip:"1024"`
	URL       string   `json:"url,omitempty" clip:"2048"`
}

// Response is the answer to an invitation.
type Response struct {
	Answer      string `json:"answer"` // going, not_going or maybe; "" is none of these
	ExtraGuests int    `json:"extra_guests,omitempty"`
}

// Pin says that a message was pinned for everybody in the chat, or unpinned.
type Pin struct {
	Pinned  bool `json:"pinned"`
	Seconds int  `json:"seconds,omitempty"` // how long it stays pinned
}

// Keep says that a message which would disappear is kept for everybody in the chat, or no longer.
type Keep struct {
	Kept bool `json:"kept"`
}

// Call is a call that is planned, or one that is over.
type Call struct {
	Title     string        `json:"title,omitempty" clip:"1024"`
	Start     time.Time     `json:"start,omitzero"` // of a planned call
	Video     bool          `json:"video"`
	Cancelled bool          `json:"cancelled,omitempty"` // a planned call was called off
	Type      string        `json:"type,omitempty"`      // of a call that is over: regular, scheduled_call or voice_chat
	Outcome   string        `json:"outcome,omitempty"`   // connected, missed, failed, rejected, accepted_elsewhere, ongoing, silenced_by_dnd or silenced_unknown_caller
	Seconds   int           `json:"seconds,omitempty"`   // duration
	People    []Participant `json:"people,omitempty" clip:"1024"`
}

// Participant is somebody in a call that is over.
type Participant struct {
	Address Address `json:"address"`
	Outcome string  `json:"outcome,omitempty"`
}

// StickerPack is a pack of stickers that somebody recommends.
type StickerPack struct {
	ID          string `json:"id"`
	Name        string `json:"name" clip:"1024"`
	Publisher   string `json:"publisher,omitempty" clip:"1024"`
	Description string `json:"description,omitempty" clip:"4096"`
	Stickers    int    `json:"stickers"` // how many it has
}
