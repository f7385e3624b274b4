package admin

import (
	"encoding/json"

	"wasup/internal/sandbox/observe"
)

// The public JSON. Times are RFC 3339, durations are written as in Go ("1.5s"),
// phone numbers are digits without a plus.
//
// The tag doc is the field's description in the OpenAPI document, need marks a
// required field of a request, values names the list of allowed values in wordLists.

type errorBody struct {
	Error errorDetail `json:"error" doc:"the error"`
}

type errorDetail struct {
	Code    string `json:"code" doc:"stable code; docs/sandbox.md lists all"`
	Message string `json:"message" doc:"what was expected"`
	Field   string `json:"field,omitempty" doc:"the field that caused the error, if one did"`
}

type indexBody struct {
	Name   string       `json:"name" doc:"name of the server"`
	Routes []indexRoute `json:"routes" doc:"all routes"`
}

type indexRoute struct {
	Methods []string `json:"methods" doc:"HTTP methods"`
	Path    string   `json:"path" doc:"path with parameters in braces"`
	Summary string   `json:"summary" doc:"the summaries of its operations, in the order of methods"`
}

type serverBody struct {
	WebSocketURL  string `json:"websocket_url" doc:"address that clients connect to"`
	RootPublicKey string `json:"root_public_key" doc:"key that clients must trust, in hex"`
	SecureURL     string `json:"secure_websocket_url,omitempty" doc:"address with TLS, when the server has it"`
	CA            string `json:"ca_pem,omitempty" doc:"certificate of the CA in PEM, when the server has TLS"`
	Version       string `json:"version" doc:"version of the program"`
}

type phoneRequest struct {
	Number  string   `json:"number" doc:"7 to 15 digits; chosen when empty"`
	Name    string   `json:"name" doc:"at most 100 bytes; the number when empty"`
	Aliases []string `json:"aliases" doc:"other spellings of the number, at most 8: contact queries find the account by them, nothing else does"`
	Script  string   `json:"script" doc:"how the phone handles a message; read when empty" values:"scripts"`
}

// phoneChange holds the fields to change. An omitted field stays as it is.
type phoneChange struct {
	Name       string `json:"name" doc:"name shown to others; linked devices are notified"`
	Script     string `json:"script" doc:"how the phone handles a message" values:"scripts"`
	Delay      string `json:"delay" doc:"how long the script slow waits, up to 10m"`
	Online     *bool  `json:"online" doc:"whether it is switched on"`
	OfflineFor string `json:"offline_for" doc:"how long it is switched off, up to 24h"`

	About *string `json:"about" doc:"about text, at most 139 characters"`

	Aliases *[]string `json:"aliases" doc:"other spellings of the number, at most 8; an empty list removes them"`
}

type phoneBody struct {
	Number  string       `json:"number" doc:"digits"`
	Aliases []string     `json:"aliases,omitempty" doc:"other spellings of the number, by which contact queries find the account"`
	Name    string       `json:"name" doc:"name shown to others"`
	Script  string       `json:"script" doc:"how the phone handles a message" values:"scripts"`
	JID     string       `json:"jid" doc:"address by phone number"`
	LID     string       `json:"lid" doc:"address that hides the phone number"`
	Online  bool         `json:"online" doc:"whether it is switched on"`
	Delay   string       `json:"delay" doc:"how long the script slow waits"`
	About   string       `json:"about,omitempty" doc:"about text"`
	Picture string       `json:"picture,omitempty" doc:"id of the profile picture; a new picture has a new id"`
	Devices []deviceBody `json:"devices" doc:"linked devices"`
}

type phonesBody struct {
	Phones []phoneBody `json:"phones" doc:"sorted by number"`
}

type deviceBody struct {
	JID       string `json:"jid" doc:"address by phone number"`
	LID       string `json:"lid" doc:"address that hides the phone number"`
	Platform  string `json:"platform" doc:"platform that the client reports"`
	Connected bool   `json:"connected" doc:"whether it is logged in"`
	Queued    int    `json:"queued" doc:"number of stanzas that it has not acknowledged yet"`
}

type devicesBody struct {
	Devices []deviceBody `json:"devices" doc:"in the order they were linked"`
}

// scanRequest must have exactly one of its fields. QR has the name that clients' answers
// use, so that such an answer can be posted unchanged: its other fields are ignored.
type scanRequest struct {
	Code string  `json:"code" doc:"text of the QR code"`
	PNG  string  `json:"png" doc:"picture of the QR code, in base64 or as a data URL"`
	QR   shownQR `json:"qr" doc:"the QR as a client answers it: a picture, as in png, or an object with the text"`
}

// shownQR is the QR of a client's answer: a picture, or an object with the text.
type shownQR struct {
	Code    string `json:"code" doc:"text of the QR code"`
	Picture string `json:"-" doc:"picture of the QR code, if it is no object"`
}

// UnmarshalJSON reads a string with a picture, or an object with the field code.
func (q *shownQR) UnmarshalJSON(raw []byte) error {
	type object shownQR
	if json.Unmarshal(raw, &q.Picture) != nil && json.Unmarshal(raw, (*object)(q)) != nil {
		return invalid("qr", "expected a picture of the QR (in base64 or as a data URL), or an object with its text as code")
	}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (q shownQR) MarshalJSON() ([]byte, error) {
	type object shownQR
	if q.Code == "" {
		return json.Marshal(q.Picture)
	}
	return json.Marshal(object(q))
}

type retireRequest struct {
	Code    string `json:"code" doc:"the text of the QR that the client shows" need:"yes"`
	Variant string `json:"variant" doc:"the child of the notification: refresh (companion_reg_refresh, the default) or rotate (pair-device-rotate-qr)"`
}

type codeRequest struct {
	Code string `json:"code" doc:"8 letters and digits, with or without the hyphen" need:"yes"`
}

type passkeyRequest struct {
	Required *bool `json:"required" doc:"whether pairing requires the passkey" need:"yes"`
}

type passkeyBody struct {
	Required bool `json:"required" doc:"whether pairing requires the passkey"`
}

type scanBody struct {
	Device string `json:"device" doc:"JID of the newly linked device"`
}

type eventsBody struct {
	Events []observe.Event `json:"events" doc:"one event, or none after the wait"`
}

type faultRequest struct {
	Kind     string `json:"kind" doc:"kind of the fault" need:"yes" values:"faults"`
	Account  string `json:"account" doc:"phone number; every account when empty"`
	Device   string `json:"device" doc:"JID; every device when empty"`
	Count    int    `json:"count" doc:"how many times it applies; 0 for no limit"`
	Delay    string `json:"delay" doc:"such as 1.5s, for kinds that delay"`
	Code     int    `json:"code" doc:"status, for kinds that refuse"`
	Expire   string `json:"expire" doc:"duration of a ban, such as 24h"`
	BanCode  int    `json:"ban_code" doc:"reason of the ban, for a login failure 402"`
	KeepOpen bool   `json:"keep_open" doc:"whether the connection stays open after a login failure"`

	Conn        uint64  `json:"conn" doc:"connection number; every connection when 0"`
	Match       string  `json:"match" doc:"only matching queries, such as encrypt/count, for kinds about queries"`
	Variant     string  `json:"variant" doc:"variant of the kind"`
	Probability float64 `json:"probability" doc:"probability that it applies, above 0 and up to 1; always when 0"`
	Seed        uint64  `json:"seed" doc:"seed of the random decisions, which makes them repeatable"`
}

type faultBody struct {
	ID       string `json:"id" doc:"identifies it in /faults/{id}"`
	Kind     string `json:"kind" doc:"kind of the fault" values:"faults"`
	Account  string `json:"account,omitempty" doc:"phone number; omitted for every account"`
	Device   string `json:"device,omitempty" doc:"JID; omitted for every device"`
	Count    int    `json:"count" doc:"how many times it still applies; 0 for no limit"`
	Delay    string `json:"delay,omitempty" doc:"duration, for kinds that delay"`
	Code     int    `json:"code,omitempty" doc:"status, for kinds that refuse"`
	Expire   string `json:"expire,omitempty" doc:"duration of a ban"`
	BanCode  int    `json:"ban_code,omitempty" doc:"reason of the ban, for a login failure 402"`
	KeepOpen bool   `json:"keep_open,omitempty" doc:"whether the connection stays open after a login failure"`

	Conn        uint64  `json:"conn,omitempty" doc:"connection number; omitted for every connection"`
	Match       string  `json:"match,omitempty" doc:"only matching queries"`
	Variant     string  `json:"variant,omitempty" doc:"variant of the kind"`
	Probability float64 `json:"probability,omitempty" doc:"probability that it applies; omitted for always"`
	Seed        uint64  `json:"seed,omitempty" doc:"seed of the random decisions"`

	Applied int `json:"applied" doc:"how many times it has applied"`
}

type faultsBody struct {
	Faults []faultBody `json:"faults" doc:"active faults, oldest first"`
	Kinds  []string    `json:"kinds" doc:"all kinds" values:"faults"`
}

// selectRequest selects the live connections of an action.
type selectRequest struct {
	Account string `json:"account" doc:"phone number; every account when empty"`
	Device  string `json:"device" doc:"JID; every device when empty"`
	Conn    uint64 `json:"conn" doc:"connection number; every connection when 0"`
}

type restartRequest struct {
	Down   string `json:"down" doc:"how long the server is away, up to 2m"`
	Forget bool   `json:"forget" doc:"whether it comes back without the linked devices"`
}

type streamErrorRequest struct {
	selectRequest

	Code     int    `json:"code" doc:"100 to 999, or 0 for none"`
	Conflict string `json:"conflict" doc:"such as replaced or device_removed"`
	Close    *bool  `json:"close" doc:"whether the connection is closed afterwards; true when omitted"`
}

// connectionsBody counts the live connections that an action selected.
type connectionsBody struct {
	Connections int `json:"connections" doc:"number of live connections that the action reached"`
}
