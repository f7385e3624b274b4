// Package passkey is an account's passkey together with the authenticator that holds it.
//
// It answers requests as a browser does and checks answers. It stores nothing.
package passkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.mau.fi/whatsmeow/types"
)

const (
	// relyingParty and passkeyOrigin are the values that a browser signs on WhatsApp Web.
	relyingParty  = "whatsapp.com"
	passkeyOrigin = "https://web.whatsapp.com"

	passkeyIDBytes   = 32
	challengeBytes   = 32
	passkeyTimeoutMS = 60_000

	// The flags of WebAuthn's authenticator data: a person was present, and was verified.
	flagUserPresent  = 0x01
	flagUserVerified = 0x04
	// authDataSize is the length of authenticator data without extensions: the hash of the relying party, the
	// flags and a counter.
	authDataSize = sha256.Size + 1 + 4
)

// ErrMismatch means that a request is for another passkey or another site.
var ErrMismatch = errors.New("the request is not for this passkey")

// Passkey is an account's passkey together with the authenticator that holds it. It answers as a browser does after a
// person has touched the sensor. Its credential is ES256.
type Passkey struct {
	key *ecdsa.PrivateKey
	id  []byte
}

// New returns a new passkey.
func New() (*Passkey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sandbox: making a passkey: %w", err)
	}
	id := make([]byte, passkeyIDBytes)
	if _, err = rand.Read(id); err != nil {
		return nil, fmt.Errorf("sandbox: making a passkey: %w", err)
	}
	return &Passkey{key: key, id: id}, nil
}

// clientData is the client data of an assertion (WebAuthn, CollectedClientData).
type clientData struct {
	Type        string `json:"type"`
	Challenge   string `json:"challenge"`
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`
}

const assertionType = "webauthn.get"

// Assert signs the challenge of a request. It fails with ErrMismatch if the request is for another passkey or another
// site.
func (k *Passkey) Assert(request *types.WebAuthnPublicKey) (*types.WebAuthnResponse, error) {
	allowed := slices.ContainsFunc(request.AllowCredentials, func(c types.AllowedCredential) bool { return string(c.ID) == string(k.id) })
	if !allowed || request.RelyingPartID != relyingParty {
		return nil, ErrMismatch
	}
	said, err := json.Marshal(clientData{
		Type: assertionType, Challenge: base64.RawURLEncoding.EncodeToString(request.Challenge), Origin: passkeyOrigin,
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox: encoding the assertion: %w", err)
	}
	party := sha256.Sum256([]byte(relyingParty))
	data := append(party[:], flagUserPresent|flagUserVerified)
	// Passkeys that are synchronised between devices have no counter, so it stays 0.
	data = binary.BigEndian.AppendUint32(data, 0)
	signature, err := ecdsa.SignASN1(rand.Reader, k.key, assertionDigest(data, said))
	if err != nil {
		return nil, fmt.Errorf("sandbox: signing the assertion: %w", err)
	}
	return &types.WebAuthnResponse{
		ID: base64.RawURLEncoding.EncodeToString(k.id), RawID: k.id, Type: "public-key",
		Response: types.WebAuthnResponseData{ClientDataJSON: said, AuthenticatorData: data, Signature: signature},
	}, nil
}

func assertionDigest(authData, said []byte) []byte {
	hash := sha256.Sum256(said)
	sum := sha256.Sum256(append(append([]byte{}, authData...), hash[:]...))
	return sum[:]
}

// Request returns the request options that a client passes to an authenticator, with a new challenge.
func (k *Passkey) Request() (*types.WebAuthnPublicKey, error) {
	challenge := make([]byte, challengeBytes)
	if _, err := rand.Read(challenge); err != nil {
		return nil, fmt.Errorf("sandbox: making a challenge: %w", err)
	}
	return &types.WebAuthnPublicKey{
		Challenge: challenge, Timeout: passkeyTimeoutMS, RelyingPartID: relyingParty, UserVerification: "required",
		AllowCredentials: []types.AllowedCredential{{ID: k.id, Type: "public-key", Transports: []string{"internal", "hybrid"}}},
		Extensions:       map[string]any{},
	}, nil
}

// Verify reports whether an assertion answers a request: it is for this passkey, this challenge and WhatsApp's site,
// and the passkey signed it.
func (k *Passkey) Verify(request *types.WebAuthnPublicKey, credential, assertion []byte) bool {
	var response types.WebAuthnResponse
	if json.Unmarshal(assertion, &response) != nil {
		return false
	}
	var said clientData
	if json.Unmarshal(response.Response.ClientDataJSON, &said) != nil {
		return false
	}
	data := response.Response.AuthenticatorData
	if len(data) < authDataSize {
		return false
	}
	party := sha256.Sum256([]byte(relyingParty))
	const flags = flagUserPresent | flagUserVerified
	switch {
	case string(credential) != string(k.id), string(response.RawID) != string(k.id):
		return false
	case said.Type != assertionType, said.Origin != passkeyOrigin, said.CrossOrigin:
		return false
	case said.Challenge != base64.RawURLEncoding.EncodeToString(request.Challenge):
		return false
	case string(data[:sha256.Size]) != string(party[:]), data[sha256.Size]&flags != flags:
		return false
	}
	return ecdsa.VerifyASN1(&k.key.PublicKey, assertionDigest(data, response.Response.ClientDataJSON), response.Response.Signature)
}

// State returns the passkey as it is stored on disk: its private key in DER, and its id.
func (k *Passkey) State() (key, id []byte, err error) {
	key, err = x509.MarshalECPrivateKey(k.key)
	return key, k.id, err
}

// Restore returns a passkey from its stored state.
func Restore(key, id []byte) (*Passkey, error) {
	parsed, err := x509.ParseECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &Passkey{key: parsed, id: id}, nil
}
