package webhooks

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"wasup/internal/events"
	"wasup/internal/session"
)

// Webhook is a URL to which events are posted. A Webhook value is never changed in place, because copies share its
// slice and its map.
type Webhook struct {
	ID          string
	Session     session.ID // deliver only this session's events; "": those of all sessions
	URL         string     // http or https; its query may hold a credential
	Description string     // for people; at most MaxDescription characters
	// Events are the types to deliver; empty: all types.
	Events []events.Type
	// Headers are sent with each request. Their values may be credentials and are never shown again.
	Headers map[string]string
	// Secret is the key for signatures, in the form of Standard Webhooks: whsec_ and base64. After a rotation, requests
	// are also signed with OldSecret until OldUntil, so that receivers can change the secret one after the other.
	Secret    string
	OldSecret string
	OldUntil  time.Time
	Active    bool   // false: events wait until the webhook is resumed
	Disabled  string // why wasup switched the webhook off; "" if it is active or a person paused it
	CreatedAt time.Time
	UpdatedAt time.Time
}

// The limits of a Webhook.
const (
	MaxDescription = 200
	MaxURL         = 2000 // bytes
	MaxHeaders     = 20
	MaxHeaderValue = 2000 // bytes
)

// SecretPrefix is the prefix of every secret.
const SecretPrefix = "whsec_"

// Sends reports whether the webhook wants events of this type.
func (w *Webhook) Sends(kind events.Type) bool {
	return len(w.Events) == 0 || slices.Contains(w.Events, kind)
}

// Covers reports whether the webhook wants events of this session.
func (w *Webhook) Covers(id session.ID) bool { return w.Session == "" || w.Session == id }

// Check returns an error with CodeInvalidRequest that names the first invalid field, or nil. It does not check whether
// wasup may reach the URL's host.
func (w *Webhook) Check() error {
	if err := checkWebhookURL(w.URL); err != nil {
		return err
	}
	if utf8.RuneCountInString(w.Description) > MaxDescription || !utf8.ValidString(w.Description) {
		return badWebhook("description", fmt.Sprintf("expected at most %d characters", MaxDescription))
	}
	for i, kind := range w.Events {
		if !slices.Contains(events.Types(), kind) {
			return badWebhook("events", fmt.Sprintf("%q is no type of event; expected * or some of %s", session.Clip(string(kind), 40), typeNames()))
		}
		if slices.Contains(w.Events[:i], kind) {
			return badWebhook("events", fmt.Sprintf("expected %s once", kind))
		}
	}
	if len(w.Headers) > MaxHeaders {
		return badWebhook("headers", fmt.Sprintf("expected at most %d", MaxHeaders))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		if err := checkHeader(name, w.Headers[name]); err != nil {
			return err
		}
	}
	return CheckSecret(w.Secret)
}

func typeNames() string {
	var names []string
	for _, kind := range events.Types() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

func checkWebhookURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case len(raw) > MaxURL || err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		// The text does not repeat the URL, because the query may hold a credential.
		return badWebhook("url", fmt.Sprintf("expected an http:// or https:// URL with a host, of at most %d bytes", MaxURL))
	case !session.HasValidPort(u):
		return badWebhook("url", "expected a port from 1 to 65535, or none")
	case u.User != nil:
		return badWebhook("url", "expected a URL without user and password; a header can carry them")
	case u.Fragment != "":
		return badWebhook("url", "expected a URL without a fragment, which is never sent")
	default:
		return nil
	}
}

// ownHeaders lists headers that wasup or the HTTP client sets, so callers may not set them.
func ownHeaders() []string {
	return []string{
		"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive", "Proxy-Connection", "Te",
		"Trailer", "Transfer-Encoding", "Upgrade",
	}
}

func checkHeader(name, value string) error {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if name == "" || len(name) > 100 || strings.Trim(name, token) != "" {
		return badWebhook("headers", fmt.Sprintf("%q: expected the name of a header", session.Clip(name, 40)))
	}
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	if slices.Contains(ownHeaders(), canonical) || strings.HasPrefix(canonical, "Webhook-") {
		return badWebhook("headers", name+": this header is set by wasup")
	}
	if len(value) > MaxHeaderValue || strings.ContainsFunc(value, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }) {
		return badWebhook("headers."+name, fmt.Sprintf("expected visible ASCII of at most %d bytes", MaxHeaderValue))
	}
	return nil
}

// CheckSecret accepts whsec_ and 24 to 64 bytes in base64, as Standard Webhooks specifies.
func CheckSecret(secret string) error {
	text, ok := strings.CutPrefix(secret, SecretPrefix)
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(raw) < 24 || len(raw) > 64 {
		return badWebhook("secret", "expected whsec_ and 24 to 64 random bytes in base64")
	}
	return nil
}

func badWebhook(field, expected string) error {
	return &session.Error{Code: session.CodeInvalidRequest, Op: "check webhook", Field: field, Message: field + ": " + expected}
}

// Origin says where a new webhook begins in the log: at the end (the zero value), at the beginning, or with the event
// number Seq of the webhook's session.
type Origin struct {
	Beginning bool
	Seq       uint64
}

// Patch is a change of a webhook. A nil field stays unchanged.
type Patch struct {
	URL         *string
	Description *string
	Events      *[]events.Type
	Active      *bool
	// Headers are merged into the existing ones. A nil value removes a header.
	Headers map[string]*string
}
