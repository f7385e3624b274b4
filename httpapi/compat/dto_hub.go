package compat

// The JSON of the hub's instance routes. Times are RFC 3339 in UTC, in whole seconds. A missing time is null.

type instanceAnswer struct {
	InstanceID       string  `json:"instance_id"`
	Status           string  `json:"status"`
	QRStatus         string  `json:"qr_status"`
	QRString         *string `json:"qr_string"`
	QRExpiresAt      *string `json:"qr_expires_at"`
	PhoneNumber      *string `json:"phone_number"`
	ConnectedAt      *string `json:"connected_at"`
	DisconnectedAt   *string `json:"disconnected_at"`
	LastErrorCode    *string `json:"last_error_code"`
	LastErrorMessage *string `json:"last_error_message"`
	CreatedAt        *string `json:"created_at"`
	UpdatedAt        *string `json:"updated_at"`
}

type instanceQRAnswer struct {
	QRString    string `json:"qr_string"`
	QRExpiresAt string `json:"qr_expires_at"`
}
