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
	Code      string    `json:"code" doc:"To enter on the phone, under Linked devices, Link with phone number."`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

type v1Passkey struct {
	Step              wire.PasskeyDue `json:"step"`
	Challenge         json.RawMessage `json:"challenge,omitempty" doc:"WebAuthn PublicKeyCredentialRequestOptions for navigator.credentials.get, while step is response."`
	Code              string          `json:"code,omitempty" doc:"To compare with the code that the phone shows, while step is confirmation."`
	ComparisonSkipped bool            `json:"comparison_skipped" doc:"WhatsApp does not ask for the comparison: confirm at once."`
}

// v1Credential is a PublicKeyCredential; WhatsApp checks what is in it.
type v1Credential map[string]any
