package linking

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"wasup/httpapi/qr"
	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/session"
)

// getQR is GET /v1/sessions/{id}/qr. It waits for the first outcome. The answer is a code, or a problem with the
// outcome.
func (r *Resource) getQR(k *rest.Call) error {
	wait, err := r.waitOf(k)
	if err != nil {
		return err
	}
	if _, err := k.Known(); err != nil {
		return err
	}
	answer := r.host.RequestQR(k.ID, wait)
	if p := outcomeProblem(&answer); p != nil {
		return p
	}
	k.Set("X-QR-Sequence", strconv.Itoa(answer.QR.Seq))
	k.Set("X-QR-Expires-At", wire.Stamp(answer.QR.ExpiresAt).Format(time.RFC3339))
	switch k.Format {
	case rest.ContentPNG:
		url, err := r.pictures.DataURL(answer.QR.Code)
		if err != nil {
			return err
		}
		_, encoded, _ := strings.Cut(url, ",")
		picture, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return err
		}
		return k.Send(rest.ContentPNG, picture)
	case rest.ContentSVG:
		return drawn(k, r.pictures.SVG, rest.ContentSVG, answer.QR.Code)
	case rest.ContentText:
		return drawn(k, r.pictures.Text, rest.ContentText+"; charset=utf-8", answer.QR.Code)
	default:
		return k.OK(v1QRAnswer{
			Outcome: wire.Outcome(answer.Outcome), State: wire.State(answer.State), Cause: wire.Cause(answer.Cause), QR: wire.QROf(answer.QR),
		})
	}
}

// outcomeProblem returns nil for a code, and a problem with outcome, state and cause otherwise.
func outcomeProblem(answer *session.QRAnswer) *rest.Problem {
	coded := func(code session.Code) *rest.Problem {
		p := rest.CodeProblem(code)
		p.Answer = answer
		return p
	}
	named := func(code string) *rest.Problem {
		p := rest.HTTPProblem(code, "")
		p.Answer = answer
		return p
	}
	because := func(p *rest.Problem) *rest.Problem {
		if answer.Reason != "" {
			p.Detail += " The last attempt failed: " + answer.Reason + "."
		}
		return p
	}
	switch answer.Outcome {
	case session.OutcomeQR:
		if answer.QR.Code != "" {
			return nil
		}
		p := coded(session.CodeInternal)
		p.Answer, p.Cause = nil, qr.ErrNoCode
		return p
	case session.OutcomeReady:
		return named(rest.CodeLinked)
	case session.OutcomeFailed:
		if answer.Cause == session.CauseClientOutdated { // nobody has to act: another request may succeed
			p := coded(session.CodeClientOutdated)
			p.RetryAfter = answer.RetryAfter
			return p
		}
		return because(named(rest.CodeLinkFailed))
	case session.OutcomeStopped:
		return named(rest.CodeStopped)
	case session.OutcomeTimeout:
		p := coded(session.CodeTimeout)
		p.Detail = "There was no code in time; the session is " + string(answer.State) + "."
		return because(p)
	case session.OutcomeTooMany:
		return coded(session.CodeTooManyWaiters)
	case session.OutcomeShuttingDown:
		return coded(session.CodeShuttingDown)
	case session.OutcomeError:
	}
	p := coded(session.CodeInternal)
	p.Cause = rest.Unexpected(answer)
	if answer.Outcome != session.OutcomeError {
		p.Answer = nil // the outcome is unknown
	}
	return p
}

func drawn(k *rest.Call, draw func(code string) (string, error), contentType, code string) error {
	picture, err := draw(code)
	if err != nil {
		return err
	}
	return k.Send(contentType, []byte(picture))
}

// waitOf returns ?wait=, or the default.
func (r *Resource) waitOf(k *rest.Call) (time.Duration, error) {
	text, given := k.Query["wait"]
	if !given {
		return r.wait, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < rest.MinWait || wait > r.host.MaxWait {
		return 0, rest.BadField("wait", fmt.Sprintf("expected a duration from %s to %s, such as 25s", rest.MinWait, r.host.MaxWait))
	}
	return wait, nil
}
