// Package registration keeps the secret in the codes of a client that is not linked yet the one that the device has, and
// as new as WhatsApp wants it.
//
// It owns the codes on show and the notification that retires their secret. Of whatsmeow it knows the stanza type, the
// device, and when whatsmeow replaces the device's secret. It knows neither connections nor sessions.
//
// whatsmeow handles the notification itself since 2026-09-15 (60027b07). refresh goes with the upgrade to such a version.
package registration

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"sync"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
)

// secretSize is the size of the secret in bytes. WhatsApp Web and whatsmeow make it of the same size.
const secretSize = 32

// Handler is whatsmeow's function that handles one kind of stanza.
type Handler = func(ctx context.Context, node *waBinary.Node)

// Registration is what one run shows to a phone. The device's secret has no lock, so each goroutine of whatsmeow's that
// writes it calls Registration itself: Offer and the wrapped handlers run on the one goroutine that handles the run's
// stanzas, and Left on the one that answers an entered pairing code. Registration writes the secret only while no pairing
// has begun, and until then nothing but the first goroutine uses it.
type Registration struct {
	device    *store.Device
	refreshed func(codes []string)

	mu    sync.Mutex
	codes []string // of this run, also those that have expired
	used  bool     // a pairing has begun: it needs the secret that the device has now
}

// New makes the registration of a run whose device is not linked. refreshed is called with all codes of the run when
// their secret has changed.
func New(device *store.Device, refreshed func(codes []string)) *Registration {
	return &Registration{device: device, refreshed: refreshed}
}

// Offer takes the codes of the run.
func (r *Registration) Offer(codes []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.codes = codes
}

// Wrap returns a handler that looks at each stanza before handle does. handle acknowledges a notification, also one that
// whatsmeow does not know.
func (r *Registration) Wrap(handle Handler) Handler {
	return func(ctx context.Context, node *waBinary.Node) {
		r.before(node)
		handle(ctx, node)
		if demandsPasskey(node) { // whatsmeow has replaced the secret
			r.follow()
		}
	}
}

func (r *Registration) before(node *waBinary.Node) {
	r.mu.Lock()
	used := r.used || begins(node)
	r.used = used
	r.mu.Unlock()
	if !used && retires(node) {
		r.device.AdvSecretKey = newSecret()
		r.follow()
	}
}

// Left takes a stanza of ours that is about to leave. When a pairing code was entered, whatsmeow replaces the secret and
// then answers, whether the code was right or not: only the phone knows that. The codes follow, so that the QR can be
// scanned if the code was wrong.
func (r *Registration) Left(node *waBinary.Node) {
	if node.Tag != "iq" {
		return
	}
	if child, is := node.GetOptionalChildByTag("link_code_companion_reg"); is && child.Attrs["stage"] == "companion_finish" {
		r.follow()
	}
}

func newSecret() []byte {
	fresh := make([]byte, secretSize)
	_, _ = rand.Read(fresh) // never fails
	return fresh
}

// secretField is where the secret is in a code: link#ref,noise,identity,secret,type.
const secretField = 3

// follow puts the device's secret into the codes. The refs stay. The codes that come later have it anyway.
func (r *Registration) follow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.codes) == 0 {
		return
	}
	secret := base64.StdEncoding.EncodeToString(r.device.AdvSecretKey)
	codes := make([]string, len(r.codes))
	for i, code := range r.codes {
		fields := strings.Split(code, ",")
		if len(fields) > secretField {
			fields[secretField] = secret
		}
		codes[i] = strings.Join(fields, ",")
	}
	r.codes = codes
	r.refreshed(codes)
}

// retires reports whether WhatsApp retires the secret of the codes on show. WhatsApp Web takes the notification with
// either child, and no other.
func retires(node *waBinary.Node) bool {
	return isNotification(node, "companion_reg_refresh") && (has(node, "companion_reg_refresh") || has(node, "pair-device-rotate-qr"))
}

// begins reports whether a pairing begins with this stanza. Each of the three needs the secret that the device has, or
// makes whatsmeow replace it: a phone has scanned a code, or entered a pairing code, or has to prove its passkey.
func begins(node *waBinary.Node) bool {
	switch {
	case node.Tag == "iq":
		return has(node, "pair-success")
	case isNotification(node, "link_code_companion_reg"):
		return has(node, "link_code_companion_reg", "link_code_pairing_wrapped_primary_ephemeral_pub")
	default:
		return demandsPasskey(node)
	}
}

func demandsPasskey(node *waBinary.Node) bool {
	return isNotification(node, "passkey_prologue_request")
}

func isNotification(node *waBinary.Node, kind string) bool {
	return node.Tag == "notification" && node.Attrs["type"] == kind
}

func has(node *waBinary.Node, path ...string) bool {
	_, ok := node.GetOptionalChildByTag(path...)
	return ok
}
