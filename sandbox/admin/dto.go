package admin

// The public JSON. Times are RFC 3339, durations as Go writes them ("1.5s"),
// numbers of phones are digits without a plus.

type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
}

type indexBody struct {
	Name   string       `json:"name"`
	Routes []indexRoute `json:"routes"`
}

type indexRoute struct {
	Methods []string `json:"methods"`
	Path    string   `json:"path"`
	Summary string   `json:"summary"`
}

type serverBody struct {
	WebSocketURL  string `json:"websocket_url"`
	RootPublicKey string `json:"root_public_key"`
	// SecureURL and CA are there when the server speaks TLS as well.
	SecureURL string `json:"secure_websocket_url,omitempty"`
	CA        string `json:"ca_pem,omitempty"`
	Version   string `json:"version"`
}

type phoneRequest struct {
	Number string `json:"number"`
	Name   string `json:"name"`
	Script string `json:"script"`
}

// phoneChange says what is to be different; what is left out stays.
type phoneChange struct {
	Script     string `json:"script"`
	Delay      string `json:"delay"`
	Online     *bool  `json:"online"`
	OfflineFor string `json:"offline_for"`
}

type phoneBody struct {
	Number  string       `json:"number"`
	Name    string       `json:"name"`
	Script  string       `json:"script"`
	JID     string       `json:"jid"`
	LID     string       `json:"lid"`
	Online  bool         `json:"online"`
	Delay   string       `json:"delay"`
	Devices []deviceBody `json:"devices"`
}

type phonesBody struct {
	Phones []phoneBody `json:"phones"`
}

type deviceBody struct {
	JID       string `json:"jid"`
	LID       string `json:"lid"`
	Platform  string `json:"platform"`
	Connected bool   `json:"connected"`
	Queued    int    `json:"queued"`
}

type devicesBody struct {
	Devices []deviceBody `json:"devices"`
}

// scanRequest carries one of its fields. QR is what /qr-code answers, so that
// its body can be posted as it is.
type scanRequest struct {
	Code string `json:"code"`
	PNG  string `json:"png"`
	QR   string `json:"qr"`
}

type codeRequest struct {
	Code string `json:"code"`
}

type passkeyRequest struct {
	Required *bool `json:"required"`
}

type passkeyBody struct {
	Required bool `json:"required"`
}

type scanBody struct {
	Device string `json:"device"`
}

type faultRequest struct {
	Kind     string `json:"kind"`
	Account  string `json:"account"`
	Device   string `json:"device"`
	Count    int    `json:"count"`
	Delay    string `json:"delay"`
	Code     int    `json:"code"`
	Expire   string `json:"expire"`
	BanCode  int    `json:"ban_code"`
	KeepOpen bool   `json:"keep_open"`

	Conn        uint64  `json:"conn"`
	Match       string  `json:"match"`
	Variant     string  `json:"variant"`
	Probability float64 `json:"probability"`
	Seed        uint64  `json:"seed"`
}

type faultBody struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Account  string `json:"account,omitempty"`
	Device   string `json:"device,omitempty"`
	Count    int    `json:"count"`
	Delay    string `json:"delay,omitempty"`
	Code     int    `json:"code,omitempty"`
	Expire   string `json:"expire,omitempty"`
	BanCode  int    `json:"ban_code,omitempty"`
	KeepOpen bool   `json:"keep_open,omitempty"`

	Conn        uint64  `json:"conn,omitempty"`
	Match       string  `json:"match,omitempty"`
	Variant     string  `json:"variant,omitempty"`
	Probability float64 `json:"probability,omitempty"`
	Seed        uint64  `json:"seed,omitempty"`

	Applied int `json:"applied"`
}

type faultsBody struct {
	Faults []faultBody `json:"faults"`
	Kinds  []string    `json:"kinds"`
}

// selectRequest says which live connections an action is for.
type selectRequest struct {
	Account string `json:"account"`
	Device  string `json:"device"`
	Conn    uint64 `json:"conn"`
}

type restartRequest struct {
	Down   string `json:"down"`
	Forget bool   `json:"forget"`
}

type streamErrorRequest struct {
	selectRequest

	Code     int    `json:"code"`
	Conflict string `json:"conflict"`
	Close    *bool  `json:"close"`
}

// connectionsBody tells how many live connections an action reached.
type connectionsBody struct {
	Connections int `json:"connections"`
}
