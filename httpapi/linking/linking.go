package linking

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Links links devices in other ways than by QR.
type Links interface {
	// PairPhone returns the code that the owner of the number (digits, with country code) enters on the phone. It starts
	// the session if it does not run, and waits, until ctx ends, until WhatsApp can issue such a code.
	PairPhone(ctx context.Context, id session.ID, phone string) (code string, expires time.Time, err error)
	// AnswerPasskey sends WhatsApp the authenticator's answer, a WebAuthn credential in JSON.
	AnswerPasskey(ctx context.Context, id session.ID, answer []byte) (session.Status, error)
	// ConfirmPasskey confirms that a person has compared the codes.
	ConfirmPasskey(ctx context.Context, id session.ID) (session.Status, error)
}

// Pictures draws codes. Every method is safe for concurrent use and draws each code once.
type Pictures interface {
	DataURL(code string) (string, error) // a PNG in a data: URL
	SVG(code string) (string, error)
	Text(code string) (string, error) // for a terminal
}

// Resource serves the operations of this package.
type Resource struct {
	host     *rest.Host
	links    Links
	pictures Pictures
	wait     time.Duration // how long to wait for a code without ?wait=
}

// New makes the resource.
func New(host *rest.Host, links Links, pictures Pictures, wait time.Duration) *Resource {
	return &Resource{host, links, pictures, wait}
}

// pairingCodeFor is POST /v1/sessions/{id}/pairing-code.
func (r *Resource) pairingCodeFor(k *rest.Call) error {
	var in v1PairingCodeAsk
	if err := k.Decode(&in); err != nil {
		return err
	}
	phone, ok := digitsOf(in.Phone)
	if !ok {
		return rest.BadField("phone", "expected a number with country code, 7 to 15 digits, such as +54 9 11 5555 0101")
	}
	if _, err := k.Known(); err != nil {
		return err
	}
	// A drain ends this wait, as it ends the wait for a QR.
	ctx, cancel := context.WithTimeout(r.host.Life.Waits(), r.host.LinkTimeout)
	defer cancel()
	code, expires, err := r.links.PairPhone(ctx, k.ID, phone)
	if err != nil {
		return r.waitError(err)
	}
	return k.OK(v1PairingCode{Code: code, ExpiresAt: wire.Stamp(expires)})
}

// digitsOf returns the digits of a phone number. It accepts all spellings that recipients may have, and 7 to 15 digits,
// the length of numbers that can be linked.
func digitsOf(phone string) (string, bool) {
	person, err := message.ParsePerson(phone)
	if err != nil {
		return "", false
	}
	digits, isNumber := strings.CutSuffix(person.Address().PN, "@s.whatsapp.net")
	return digits, isNumber && len(digits) >= 7 && len(digits) <= 15
}

// waitError replaces a timeout by CodeShuttingDown if the server's shutdown ended the wait.
func (r *Resource) waitError(err error) error {
	if session.CodeOf(err) == session.CodeTimeout && r.host.Life.Waits().Err() != nil {
		return &session.Error{Code: session.CodeShuttingDown, Op: "wait", Err: err}
	}
	return err
}

// getPasskey is GET /v1/sessions/{id}/passkey.
func (r *Resource) getPasskey(k *rest.Call) error {
	status, err := k.Known()
	if err != nil {
		return err
	}
	p := status.Passkey
	if p == nil {
		return &session.Error{
			Code: session.CodeWrongState, Op: "read passkey", Session: k.ID,
			Message: fmt.Sprintf("the session is %s, %s: WhatsApp has not asked it for a passkey", status.State, status.Cause),
		}
	}
	r.host.Watch(&status)
	answer := v1Passkey{Step: wire.PasskeyDueOf(p), Code: p.Code, ComparisonSkipped: p.Skip}
	if answer.Step == wire.PasskeyResponse && json.Valid(p.Challenge) {
		answer.Challenge = p.Challenge
	}
	return k.OK(answer)
}

// passkeyResponse is POST /v1/sessions/{id}/passkey/response.
func (r *Resource) passkeyResponse(k *rest.Call) error {
	return r.passkey(k, func(ctx context.Context) (session.Status, error) {
		return r.links.AnswerPasskey(ctx, k.ID, k.Body)
	})
}

// passkeyConfirmation is POST /v1/sessions/{id}/passkey/confirmation.
func (r *Resource) passkeyConfirmation(k *rest.Call) error {
	return r.passkey(k, func(ctx context.Context) (session.Status, error) {
		return r.links.ConfirmPasskey(ctx, k.ID)
	})
}

func (r *Resource) passkey(k *rest.Call, do func(context.Context) (session.Status, error)) error {
	if _, err := k.Known(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.LinkTimeout)
	defer cancel()
	status, err := do(ctx)
	return k.OKStatus(status, err)
}
