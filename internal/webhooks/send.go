package webhooks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"wasup/internal/egress"
	"wasup/internal/events"
)

// sender makes single attempts. The loop decides when.
type sender struct {
	client    *http.Client
	timeout   time.Duration // of a whole attempt
	userAgent string
	now       func() time.Time
}

// result is the result of an attempt.
type result struct {
	outcome Outcome
	status  int
	took    time.Duration
	line    string        // the error, for people
	asked   time.Duration // Retry-After; 0: none
	cut     bool          // wasup cancelled the attempt, so the outcome says nothing about the receiver
}

// post sends a body. id is the same for every attempt to deliver the event.
func (s *sender) post(ctx context.Context, hook *Webhook, id string, body []byte) result {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	r := s.attempt(bounded, hook, id, body)
	r.took = time.Since(began)
	r.cut = r.outcome != Delivered && ctx.Err() != nil
	return r
}

func (s *sender) attempt(ctx context.Context, hook *Webhook, id string, body []byte) result {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return result{outcome: Unreachable, line: "the URL cannot be used"}
	}
	now := s.now()
	signature, err := sign(hook, id, now, body)
	if err != nil {
		return result{outcome: Unreachable, line: "the secret cannot be used"}
	}
	for name, value := range hook.Headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", "application/json")
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", s.userAgent)
	}
	request.Header.Set(standardwebhooks.HeaderWebhookID, id)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	answer, err := s.client.Do(request) //nolint:bodyclose // line closes it
	if err != nil {
		outcome, line := s.explain(err)
		return result{outcome: outcome, line: line}
	}
	r := result{outcome: outcomeOf(answer.StatusCode), status: answer.StatusCode}
	text := line(answer.Body)
	if r.outcome == Delivered {
		return r
	}
	if r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable {
		r.asked = retryAfter(answer.Header.Get("Retry-After"), now)
	}
	r.line = "status " + strconv.Itoa(r.status)
	switch {
	case r.outcome == Redirected:
		r.line += ": redirects are not followed"
	case text != "":
		r.line += ": " + text
	}
	return r
}

// sign returns the signatures by all valid secrets, separated by spaces: first by the current one, then by the previous
// one.
func sign(hook *Webhook, id string, now time.Time, body []byte) (string, error) {
	secrets := []string{hook.Secret}
	if hook.OldSecret != "" && now.Before(hook.OldUntil) {
		secrets = append(secrets, hook.OldSecret)
	}
	var signatures []string
	for _, secret := range secrets {
		signer, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return "", err
		}
		signature, err := signer.Sign(id, now, body)
		if err != nil {
			return "", err
		}
		signatures = append(signatures, signature)
	}
	return strings.Join(signatures, " "), nil
}

func outcomeOf(status int) Outcome {
	switch {
	case status >= 200 && status <= 299:
		return Delivered
	case status >= 300 && status <= 399:
		return Redirected
	case status == http.StatusGone:
		return Gone
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status >= 400 && status <= 499:
		return Refused
	default:
		return Failed
	}
}

const (
	// mostRead is the number of bytes of a response that are read. A connection can be used again only if the response
	// was read to its end.
	mostRead = 32 << 10
	// mostKept is the number of characters of a response that can be shown.
	mostKept = 160
	// drainTime limits the reading of a response's body, which a receiver may send for ever. The status is known by
	// then.
	drainTime = time.Second
)

// line reads a response's body within the limits above, closes it, and returns its first line.
func line(body io.ReadCloser) string {
	stop := time.AfterFunc(drainTime, func() { _ = body.Close() })
	defer stop.Stop()
	defer func() { _ = body.Close() }()
	head, _ := io.ReadAll(io.LimitReader(body, 4*mostKept)) // after an error, the part before it is enough
	_, _ = io.CopyN(io.Discard, body, mostRead)
	text, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(head), "")), "\n")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > mostKept {
		text = string(runes[:mostKept]) + "…"
	}
	return strings.TrimSpace(text)
}

// retryAfter reads both forms of the Retry-After header. It returns 0 if the header is missing or invalid.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// explain returns the outcome of a failed request and a sentence about it. It does not use the library's own text,
// which contains the URL, because the query may hold a credential.
func (s *sender) explain(err error) (Outcome, string) {
	var (
		name   *net.DNSError
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
		slow   net.Error
	)
	switch {
	case errors.Is(err, egress.ErrBlocked):
		return Blocked, "the address is in a network that webhooks may not reach"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return Timeout, fmt.Sprintf("no answer within %s", s.timeout)
	case errors.As(err, &name):
		return Unreachable, "the host's name cannot be resolved"
	case errors.As(err, &cert):
		return Unreachable, "TLS: the certificate is not valid for this host"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return Unreachable, "TLS: the answer is not TLS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return Unreachable, "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable, "the host's network cannot be reached"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Failed, "the connection was closed without an answer"
	default:
		return Failed, "the response is not valid HTTP"
	}
}

// messageID returns the id of an event for a webhook. It is the same for every attempt and differs from that of any
// other event, so receivers can drop repetitions.
func messageID(webhook string, event *events.Event) string {
	h := sha256.New()
	for _, text := range []string{webhook, string(event.Session), string(event.Type)} {
		_, _ = h.Write([]byte(text + "\x00"))
	}
	var numbers [24]byte
	binary.BigEndian.PutUint64(numbers[0:], event.Seq)
	binary.BigEndian.PutUint64(numbers[8:], event.Pos)
	binary.BigEndian.PutUint64(numbers[16:], uint64(event.At.UnixMilli()))
	_, _ = h.Write(numbers[:])
	return "msg_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:15]))
}

// bodyOf returns the body of the request for an event. It has the same bytes for every attempt.
func bodyOf(event *events.Event) ([]byte, error) {
	body := Body{
		Type: event.Type, At: event.At.UTC().Truncate(time.Millisecond), Session: event.Session, Seq: event.Seq, Pos: event.Pos,
		Data: event.Data,
	}
	if len(body.Data) == 0 {
		body.Data = json.RawMessage("{}")
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
