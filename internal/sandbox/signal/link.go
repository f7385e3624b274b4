package signal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"google.golang.org/protobuf/proto"
)

// linkURL is the beginning of the codes of present clients (whatsmeow pair.go, makeQRData). Older clients showed only
// what follows it, without the client type.
const linkURL = "https://wa.me/settings/linked_devices#"

const (
	maxLinkCode = 1024 // a real code has about 240 characters
	keySize     = 32
	sigSize     = 64
)

// The domain separation prefixes of the signatures in a device identity: by the
// account over the companion, and by the companion over the account
// (whatsmeow pair.go, AdvAccountSignaturePrefix and AdvDeviceSignaturePrefix).
var (
	accountSignaturePrefix = [...]byte{6, 0}
	deviceSignaturePrefix  = [...]byte{6, 1}
)

// Errors of linking; test with errors.Is.
var (
	// ErrLinkCode means that a string is not a linking code; the error is a
	// *LinkCodeError that names the part.
	ErrLinkCode = errors.New("bad linking code")
	// ErrLinkSignature means that a companion's answer is not signed correctly.
	ErrLinkSignature = errors.New("bad device identity")
)

// LinkCodeError says which part of a linking code is wrong, and what was expected. It matches ErrLinkCode.
type LinkCodeError struct {
	Part string // code, ref, noise key, identity key, adv secret or client type
	Want string
}

func (e *LinkCodeError) Error() string {
	return fmt.Sprintf("%v: %s: expected %s", ErrLinkCode, e.Part, e.Want)
}

// Is makes errors.Is(err, ErrLinkCode) true.
func (e *LinkCodeError) Is(target error) bool { return target == ErrLinkCode }

// LinkCode is the content of a pairing QR.
type LinkCode struct {
	Ref                         string
	NoisePublic, IdentityPublic [32]byte
	ADVSecret                   []byte
	Platform                    string // client type, for example 1 for Chrome; empty in older codes
}

// ParseLinkCode parses the present form https://wa.me/settings/linked_devices#ref,noise,identity,adv,type and the older
// ref,noise,identity,adv. Space around the code is ignored, for codes that a person pastes. The error is a
// *LinkCodeError.
func ParseLinkCode(s string) (LinkCode, error) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxLinkCode {
		return LinkCode{}, &LinkCodeError{"code", fmt.Sprintf("1 to %d characters", maxLinkCode)}
	}
	// Checked before base64, whose decoder skips line breaks.
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return LinkCode{}, &LinkCodeError{"code", "printable ASCII without spaces"}
	}
	body, isURL := strings.CutPrefix(s, linkURL)
	parts := strings.Split(body, ",")
	if !isURL && strings.Contains(parts[0], "://") {
		return LinkCode{}, &LinkCodeError{"code", "a link that begins with " + linkURL}
	}
	if len(parts) != 4 && len(parts) != 5 {
		return LinkCode{}, &LinkCodeError{"code", fmt.Sprintf("ref,noise,identity,adv and perhaps a client type; got %d parts", len(parts))}
	}
	code := LinkCode{Ref: parts[0]}
	if code.Ref == "" {
		return LinkCode{}, &LinkCodeError{"ref", "at least one character"}
	}
	var keys [3][keySize]byte
	for i, name := range [...]string{"noise key", "identity key", "adv secret"} {
		raw, err := base64.StdEncoding.Strict().DecodeString(parts[i+1])
		if err != nil || len(raw) != keySize {
			return LinkCode{}, &LinkCodeError{name, "32 bytes in standard base64"}
		}
		keys[i] = [keySize]byte(raw)
	}
	code.NoisePublic, code.IdentityPublic, code.ADVSecret = keys[0], keys[1], slices.Clone(keys[2][:])
	if len(parts) == 5 {
		code.Platform = parts[4]
		if len(code.Platform) != 1 || !strings.Contains("0123456789abcdefghijklmnopqrstuvwxyz", code.Platform) {
			return LinkCode{}, &LinkCodeError{"client type", "one lower-case letter or digit"}
		}
	}
	return code, nil
}

// SignLink returns the device-identity of a pair-success stanza: a marshalled ADVSignedDeviceIdentityHMAC in which this
// device, as the account's phone, signs the identity of the companion that showed the code. keyIndex is the companion's
// number within the account. rawID identifies the account's key list.
func (d *Device) SignLink(code LinkCode, keyIndex, rawID uint32, at time.Time) (deviceIdentityHMAC []byte, err error) {
	if len(code.ADVSecret) == 0 {
		return nil, &LinkCodeError{"adv secret", "32 bytes"}
	}
	details, err := proto.Marshal(&waAdv.ADVDeviceIdentity{
		RawID:       proto.Uint32(rawID),
		Timestamp:   proto.Uint64(uint64(max(at.Unix(), 0))),
		KeyIndex:    proto.Uint32(keyIndex),
		AccountType: waAdv.ADVEncryptionType_E2EE.Enum(),
		DeviceType:  waAdv.ADVEncryptionType_E2EE.Enum(),
	})
	if err != nil {
		return nil, fmt.Errorf("marshal device identity: %w", err)
	}
	account := d.IdentityPublic()
	signature := ecc.CalculateSignature(d.store.identity.PrivateKey(), accountSigned(details, code))
	signed, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentity{
		Details:             details,
		AccountSignatureKey: account[:],
		AccountSignature:    signature[:],
	})
	if err != nil {
		return nil, fmt.Errorf("marshal signed device identity: %w", err)
	}
	mac := hmac.New(sha256.New, code.ADVSecret)
	mac.Write(signed)
	out, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentityHMAC{Details: signed, HMAC: mac.Sum(nil)})
	if err != nil {
		return nil, fmt.Errorf("marshal device identity HMAC: %w", err)
	}
	return out, nil
}

// VerifyLink checks the device-identity of the companion's pair-device-sign answer: an ADVSignedDeviceIdentity that
// repeats what this device signed for the code and carries the companion's own signature. It leaves out the account's
// key, which both sides know. The error is ErrLinkSignature and names the field.
func (d *Device) VerifyLink(code LinkCode, signed []byte) error {
	var identity waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(signed, &identity); err != nil {
		return fmt.Errorf("%w: expected an ADVSignedDeviceIdentity: %w", ErrLinkSignature, err)
	}
	account := d.IdentityPublic()
	if key := identity.GetAccountSignatureKey(); len(key) != 0 && !slices.Equal(key, account[:]) {
		return fmt.Errorf("%w: accountSignatureKey: expected this account's key or nothing", ErrLinkSignature)
	}
	if !verify(account, accountSigned(identity.GetDetails(), code), identity.GetAccountSignature()) {
		return fmt.Errorf("%w: accountSignature: expected this account's signature over the details and the companion's key", ErrLinkSignature)
	}
	if !verify(code.IdentityPublic, deviceSigned(identity.GetDetails(), code, account), identity.GetDeviceSignature()) {
		return fmt.Errorf("%w: deviceSignature: expected the companion's signature over the details and both keys", ErrLinkSignature)
	}
	return nil
}

func accountSigned(details []byte, code LinkCode) []byte {
	return slices.Concat(accountSignaturePrefix[:], details, code.IdentityPublic[:])
}

func deviceSigned(details []byte, code LinkCode, account [32]byte) []byte {
	return slices.Concat(deviceSignaturePrefix[:], details, code.IdentityPublic[:], account[:])
}

func verify(key [32]byte, message, signature []byte) bool {
	return len(signature) == sigSize && ecc.VerifySignature(ecc.NewDjbECPublicKey(key), message, [sigSize]byte(signature))
}
