package linking

import (
	"encoding/json"
	"time"

	"wasup/httpapi/wire"
)

type v1QRAnswer struct {
	Outcome wire.Outcome `json:"outcome"`
	State   wire.State   `json:"state"`
	Cause   wire.Cause   `json:"cause"`
	QR      wire.QR      `json:"qr"`
}

type v1PairingCodeAsk struct {
	Phone string `json:"phone" maxLength:"40" doc:"The number with country code, such as +54 9 11 5555 0101."`
}

type v1PairingCode struct {
	Code      string    `json:"code" doc:"Enter it on the phone, under Linked devices, Link with phone number."`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

type v1Passkey struct {
	Step              wire.PasskeyDue `json:"step"`
	Challenge         json.RawMessage `json:"challenge,omitempty" doc:"WebAuthn PublicKeyCredentialRequestOptions for navigator.credentials.get. Only if step is response."`
	Code              string          `json:"code,omitempty" doc:"Compare it with the code that the phone shows. Only if step is confirmation."`
	ComparisonSkipped bool            `json:"comparison_skipped" doc:"WhatsApp does not ask to compare codes: confirm at once."`
}

// v1Credential is a PublicKeyCredential. WhatsApp checks its fields.
type v1Credential map[string]any
