package admin

import (
	"encoding/json"
	"net/http"
	"strings"

	"go.mau.fi/whatsmeow/types"
)

// enterCode makes the phone enter the pairing code that a client shows.
func (a phoneAPI) enterCode(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in codeRequest
	if _, err = readShown(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	ctx, cancel, err := waitContext(r, scanWait)
	if err != nil {
		return 0, nil, err
	}
	defer cancel()
	device, err := phone.EnterCode(ctx, in.Code)
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, scanBody{Device: device.String()}, nil
}

func (a phoneAPI) getPasskey(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, passkeyBody{phone.PasskeyRequired()}, nil
}

// setPasskey sets whether pairing with the phone requires its passkey.
func (a phoneAPI) setPasskey(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in passkeyRequest
	if err = readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if in.Required == nil {
		return 0, nil, invalid("required", "expected true or false")
	}
	phone.RequirePasskey(*in.Required)
	return http.StatusOK, passkeyBody{*in.Required}, nil
}

// assertPasskey answers a passkey request. Body and answer are the JSON that browsers
// use: PublicKeyCredentialRequestOptions and PublicKeyCredential. The options may also be the
// field challenge of a client's answer, posted as it is.
func (a phoneAPI) assertPasskey(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	// WebAuthn defines the format and may extend it, so unknown fields are allowed. A challenge is a string there.
	var shown struct {
		Challenge json.RawMessage `json:"challenge"`
	}
	raw, err := readShown(r, maxJSON, &shown)
	if err != nil {
		return 0, nil, err
	}
	if strings.HasPrefix(string(shown.Challenge), "{") {
		raw = shown.Challenge
	}
	var request types.WebAuthnPublicKey
	if json.Unmarshal(raw, &request) != nil {
		return 0, nil, invalid("body", "expected challenge, rpId and allowCredentials as WhatsApp sent them")
	}
	assertion, err := phone.Passkey().Assert(&request)
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, assertion, nil
}
