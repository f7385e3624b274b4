package admin

import (
	"wasup/internal/sandbox/observe"
)

// The public JSON. Times are RFC 3339, durations as Go writes them ("1.5s"),
// numbers of phones are digits without a plus.
//
// The tag doc says what a field is in the OpenAPI document, need marks a field
// that a request must have, values names the list in wordLists that it is from.

type errorBody struct {
	Error errorDetail `json:"error" doc:"what was wrong"`
}

type errorDetail struct {
	Code    string `json:"code" doc:"stable; the guide lists them"`
	Message string `json:"message" doc:"what was expected"`
	Field   string `json:"field,omitempty" doc:"the field to blame, where one is"`
}

type indexBody struct {
	Name   string       `json:"name" doc:"of the server"`
	Routes []indexRoute `json:"routes" doc:"all of them"`
}

type indexRoute struct {
	Methods []string `json:"methods" doc:"HTTP methods"`
	Path    string   `json:"path" doc:"with parameters in braces"`
	Summary string   `json:"summary" doc:"what it is for"`
}

type serverBody struct {
	WebSocketURL  string `json:"websocket_url" doc:"where clients connect"`
	RootPublicKey string `json:"root_public_key" doc:"the key that clients have to trust, in hex"`
	SecureURL     string `json:"secure_websocket_url,omitempty" doc:"the same with TLS, when the server speaks it"`
	CA            string `json:"ca_pem,omitempty" doc:"the certificate of its CA, with TLS"`
	Version       string `json:"version" doc:"of the program"`
}

type phoneRequest struct {
	Number string `json:"number" doc:"7 to 15 digits; chosen when empty"`
	Name   string `json:"name" doc:"at most 100 bytes; the number when empty"`
	Script string `json:"script" doc:"what the phone does with a message; read when empty" values:"scripts"`
}

// phoneChange says what is to be different; what is left out stays.
type phoneChange struct {
	Name       string `json:"name" doc:"what others see; linked devices are told"`
	Script     string `json:"script" doc:"what the phone does with a message" values:"scripts"`
	Delay      string `json:"delay" doc:"how long a slow phone takes, up to 10m"`
	Online     *bool  `json:"online" doc:"whether it is switched on"`
	OfflineFor string `json:"offline_for" doc:"how long it goes away, up to 24h"`

	About *string `json:"about" doc:"what its owner says of themselves, at most 139 characters"`
}

type phoneBody struct {
	Number  string       `json:"number" doc:"digits"`
	Name    string       `json:"name" doc:"shown to others"`
	Script  string       `json:"script" doc:"what the phone does with a message" values:"scripts"`
	JID     string       `json:"jid" doc:"its address by number"`
	LID     string       `json:"lid" doc:"its hidden address"`
	Online  bool         `json:"online" doc:"whether it is switched on"`
	Delay   string       `json:"delay" doc:"how long it takes when it is slow"`
	About   string       `json:"about,omitempty" doc:"what its owner says of themselves"`
	Picture string       `json:"picture,omitempty" doc:"the id of the profile picture, which changes with it"`
	Devices []deviceBody `json:"devices" doc:"linked to it"`
}

type phonesBody struct {
	Phones []phoneBody `json:"phones" doc:"sorted by number"`
}

type deviceBody struct {
	JID       string `json:"jid" doc:"its address by number"`
	LID       string `json:"lid" doc:"its hidden address"`
	Platform  string `json:"platform" doc:"what the client says it is"`
	Connected bool   `json:"connected" doc:"whether it is logged in"`
	Queued    int    `json:"queued" doc:"what it has not acknowledged yet"`
}

type devicesBody struct {
	Devices []deviceBody `json:"devices" doc:"in the order they were linked"`
}

// scanRequest carries one of its fields. QR is what /qr-code answers, so that
// its body can be posted as it is.
type scanRequest struct {
	Code string `json:"code" doc:"the text of the QR"`
	PNG  string `json:"png" doc:"a picture of it, in base64 or as a data URL"`
	QR   string `json:"qr" doc:"the same, as /qr-code answers it"`
}

type codeRequest struct {
	Code string `json:"code" doc:"8 letters and digits, with or without the hyphen" need:"yes"`
}

type passkeyRequest struct {
	Required *bool `json:"required" doc:"whether pairings need the passkey" need:"yes"`
}

type passkeyBody struct {
	Required bool `json:"required" doc:"whether pairings need the passkey"`
}

type scanBody struct {
	Device string `json:"device" doc:"the JID of the device that is linked now"`
}

type eventsBody struct {
	Events []observe.Event `json:"events" doc:"one, or none when the time was over"`
}

type faultRequest struct {
	Kind     string `json:"kind" doc:"what goes wrong" need:"yes" values:"faults"`
	Account  string `json:"account" doc:"a number; every account when empty"`
	Device   string `json:"device" doc:"a JID; every device when empty"`
	Count    int    `json:"count" doc:"how often it strikes; 0 until it is cleared"`
	Delay    string `json:"delay" doc:"such as 1.5s, for the kinds that delay"`
	Code     int    `json:"code" doc:"for the kinds that refuse"`
	Expire   string `json:"expire" doc:"how long a ban lasts, such as 24h"`
	BanCode  int    `json:"ban_code" doc:"why, for a login failure 402"`
	KeepOpen bool   `json:"keep_open" doc:"leave the connection open after a login failure"`

	Conn        uint64  `json:"conn" doc:"the number of a connection; every one when 0"`
	Match       string  `json:"match" doc:"only what fits, for the kinds that look into stanzas"`
	Variant     string  `json:"variant" doc:"which of its ways a kind takes"`
	Probability float64 `json:"probability" doc:"how likely it strikes, over 0 and up to 1; always when 0"`
	Seed        uint64  `json:"seed" doc:"fixes what probability decides"`
}

type faultBody struct {
	ID       string `json:"id" doc:"to clear it"`
	Kind     string `json:"kind" doc:"what goes wrong" values:"faults"`
	Account  string `json:"account,omitempty" doc:"a number; every account without"`
	Device   string `json:"device,omitempty" doc:"a JID; every device without"`
	Count    int    `json:"count" doc:"how often it still strikes; 0 until it is cleared"`
	Delay    string `json:"delay,omitempty" doc:"for the kinds that delay"`
	Code     int    `json:"code,omitempty" doc:"for the kinds that refuse"`
	Expire   string `json:"expire,omitempty" doc:"how long a ban lasts"`
	BanCode  int    `json:"ban_code,omitempty" doc:"why, for a login failure 402"`
	KeepOpen bool   `json:"keep_open,omitempty" doc:"the connection stays open after a login failure"`

	Conn        uint64  `json:"conn,omitempty" doc:"the number of a connection; every one without"`
	Match       string  `json:"match,omitempty" doc:"only what fits"`
	Variant     string  `json:"variant,omitempty" doc:"which of its ways the kind takes"`
	Probability float64 `json:"probability,omitempty" doc:"how likely it strikes; always without"`
	Seed        uint64  `json:"seed,omitempty" doc:"fixes what probability decides"`

	Applied int `json:"applied" doc:"how often it has struck"`
}

type faultsBody struct {
	Faults []faultBody `json:"faults" doc:"those that are set, oldest first"`
	Kinds  []string    `json:"kinds" doc:"all that can be set" values:"faults"`
}

// selectRequest says which live connections an action is for.
type selectRequest struct {
	Account string `json:"account" doc:"a number; every account when empty"`
	Device  string `json:"device" doc:"a JID; every device when empty"`
	Conn    uint64 `json:"conn" doc:"the number of a connection; every one when 0"`
}

type restartRequest struct {
	Down   string `json:"down" doc:"how long the server stays away, up to 2m"`
	Forget bool   `json:"forget" doc:"whether it comes back without what it knew"`
}

type streamErrorRequest struct {
	selectRequest

	Code     int    `json:"code" doc:"100 to 999, or 0 for none"`
	Conflict string `json:"conflict" doc:"such as replaced or device_removed"`
	Close    *bool  `json:"close" doc:"whether the connection is closed after it; true when left out"`
}

// connectionsBody tells how many live connections an action reached.
type connectionsBody struct {
	Connections int `json:"connections" doc:"how many live ones the action reached"`
}
