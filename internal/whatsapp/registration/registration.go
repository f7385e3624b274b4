// Package registration keeps the secret in the codes of a client that is not linked yet as new as WhatsApp wants it.
//
// It owns the codes on show and the notification that retires their secret. Of whatsmeow it knows the stanza type and
// the device. It knows neither connections nor sessions.
//
// whatsmeow has this itself since 2026-09-15 (60027b07). Drop this package with the upgrade to a version that has it.
package registration

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
)

// secretSize is the size of the secret in bytes. WhatsApp Web and whatsmeow make it of the same size.
const secretSize = 32

// Handler is whatsmeow's function that handles one kind of stanza.
type Handler = func(ctx context.Context, node *waBinary.Node)

// Registration is what one run shows to a phone. Its methods, and the handlers that it wraps, run on the one goroutine
// that handles the run's stanzas. So it needs no lock: it writes the device's secret only while no pairing has begun, and
// until then nothing but this goroutine uses it.
type Registration struct {
	device    *store.Device
	refreshed func(codes []string)
	codes     []string // of this run, also those that have expired
	used      bool     // a pairing has begun: it needs the secret that the device has now
}

// New makes the registration of a run whose device is not linked. refreshed is called with all codes of the run when
// their secret has changed.
func New(device *store.Device, refreshed func(codes []string)) *Registration {
	return &Registration{device: device, refreshed: refreshed}
}

// Offer takes the codes of the run.
func (r *Registration) Offer(codes []string) { r.codes = codes }

// Wrap returns a handler that looks at each stanza before handle does. handle acknowledges a notification, also one that
// whatsmeow does not know.
func (r *Registration) Wrap(handle Handler) Handler {
	return func(ctx context.Context, node *waBinary.Node) {
		switch {
		case begins(node):
			r.used = true
		case retires(node) && !r.used:
			r.refresh()
		}
		handle(ctx, node)
	}
}

// refresh gives the device a new secret, and the codes with it. The refs stay.
func (r *Registration) refresh() {
	fresh := make([]byte, secretSize)
	_, _ = rand.Read(fresh) // never fails
	before, after := field(r.device.AdvSecretKey), field(fresh)
	r.device.AdvSecretKey = fresh
	if len(r.codes) == 0 {
		return // the codes that come will have the new secret
	}
	codes := make([]string, len(r.codes))
	for i, code := range r.codes {
		codes[i] = strings.Replace(code, before, after, 1)
	}
	r.codes = codes
	r.refreshed(codes)
}

// field returns the secret as a field of a code: link#ref,noise,identity,secret,type.
func field(secret []byte) string { return "," + base64.StdEncoding.EncodeToString(secret) + "," }

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
		return isNotification(node, "passkey_prologue_request")
	}
}

func isNotification(node *waBinary.Node, kind string) bool {
	return node.Tag == "notification" && node.Attrs["type"] == kind
}

func has(node *waBinary.Node, path ...string) bool {
	_, ok := node.GetOptionalChildByTag(path...)
	return ok
}
