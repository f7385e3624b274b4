package compat

import "wasup/internal/session"

// The JSON of the compatibility routes. The fields have the order of the contract, so that answers can be compared as
// text.

// codedError is the error of /qr-code and of the hub's routes.
type codedError struct {
	Error        string        `json:"error"`
	Message      string        `json:"message"`
	CurrentState session.State `json:"current_state,omitempty"`
	WaitTimeMS   int64         `json:"wait_time_ms,omitempty"`
}

// flaggedError is the error of every other route.
type flaggedError struct {
	Error   bool   `json:"error"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// initError is the error of a start that failed.
type initError struct {
	Error    bool   `json:"error"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	ClientID int64  `json:"cliente_id"`
	Retry    bool   `json:"retry"`
}

type qrCodeAnswer struct {
	QR string `json:"qr"`
}

type qrNowAnswer struct {
	State     session.State `json:"state"`
	ExpiresIn int64         `json:"expires_in"` // for how many whole seconds the code is still valid, at least 1
	QR        string        `json:"qr"`
}

type qrAbsent struct {
	Error           string        `json:"error"`
	State           session.State `json:"state"`
	CanSendMessages bool          `json:"can_send_messages"`
}

// statusHead is the part of a status that /init repeats.
type statusHead struct {
	ClientID    int64         `json:"cliente_id"`
	Connected   bool          `json:"connected"`
	State       session.State `json:"state"`
	Attempts    int           `json:"reconnection_attempts"`
	MaxAttempts int           `json:"max_reconnection_attempts"`
}

type statusAnswer struct {
	statusHead
	CanSendMessages   bool    `json:"can_send_messages"`
	NeedsQR           bool    `json:"needs_qr"`
	IsRecoverable     bool    `json:"is_recoverable"`
	RecommendedAction string  `json:"recommended_action"`
	QRCodeBase64      *string `json:"qr_code_base64"`
	Error             string  `json:"error,omitempty"`
}

type initAnswer struct {
	Success   bool       `json:"success"`
	Message   string     `json:"message"`
	ClientID  int64      `json:"cliente_id"`
	Status    statusHead `json:"status"`
	Action    string     `json:"action"`
	NextSteps string     `json:"next_steps,omitempty"`
}

type sendRequest struct {
	To      string `json:"to"`
	Message string `json:"message"`
}

type sendAnswer struct {
	OK        bool   `json:"ok"`
	MessageID string `json:"message_id"`
}
