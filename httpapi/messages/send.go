package messages

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/message"
	"wasup/internal/session"
)

const (
	headerReplayed = "Idempotency-Replayed"
	headerPrefer   = "Prefer"
	headerApplied  = "Preference-Applied"

	// waitNone is the value of ?wait= that waits for nothing beyond the commit.
	waitNone = "none"
	// messageWait is how long ?wait= waits unless ?timeout= says otherwise, longestWait the most that it may say.
	messageWait = 30 * time.Second
	longestWait = time.Minute
	// farthest is how far ahead send_at may be.
	maxSendAhead = 10 * 366 * 24 * time.Hour
)

// send is POST /v1/sessions/{id}/messages.
func (r *Resource) send(k *rest.Call) error {
	until, timeout, err := messageWaitOf(k)
	if err != nil {
		return err
	}
	key, err := keyOf(k.Ctx)
	if err != nil {
		return err
	}
	if _, err := k.Known(); err != nil {
		return err
	}
	in := r.receive(k)
	defer in.removeFile()
	asked, err := in.message(k.Ctx)
	if err != nil {
		return err
	}
	msg, existed, err := r.enqueue(in, k.ID, key, &asked)
	if err != nil {
		return err
	}
	if existed {
		k.Set(headerReplayed, "true")
	}
	if until != "" && !msg.State.Reached(until) {
		if msg, err = r.waitFor(msg, until, timeout); err != nil {
			return err
		}
	}
	k.Set(fiber.HeaderLocation, "/v1/sessions/"+string(k.ID)+"/messages/"+msg.ID)
	return r.render(k, &msg, until)
}

// enqueue has a message stored, or finds the one that its key was used for.
func (r *Resource) enqueue(in *incoming, id session.ID, key string, asked *v1MessageNew) (msg message.Message, existed bool, err error) {
	request, err := r.draft(in, id, key, asked)
	if err != nil {
		return msg, false, err
	}
	if key != "" && request.Fingerprint != "" {
		ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
		msg, existed, err = r.outbox.Known(ctx, request)
		cancel()
		if err != nil || existed {
			return msg, existed, err
		}
	}
	if err := in.complete(&request, asked); err != nil {
		return msg, false, err
	}
	if status, ok := r.host.Sessions.Status(id); ok {
		if err := checkAuthor(request, status.Account); err != nil {
			return msg, false, err
		}
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	msg, existed, err = r.outbox.Enqueue(ctx, request)
	if !existed && !refusedByOutbox(session.CodeOf(err)) {
		in.file = nil // it is the message's now, or may be: a write that was not answered may have been done
	}
	return msg, existed, err
}

// refusedByOutbox reports the codes by which the outbox says that it took nothing.
func refusedByOutbox(code session.Code) bool {
	return slices.Contains([]session.Code{
		session.CodeInvalidRequest, session.CodeIdempotencyReuse, session.CodeNotFound, session.CodeQueueFull, session.CodeShuttingDown,
	}, code)
}

// awaited is the message once it has come as far as is waited for, or as it is when the wait is over. That is no error:
// the message is accepted, and its state says how far it is.
func (r *Resource) waitFor(msg message.Message, until message.State, timeout time.Duration) (message.Message, error) {
	ctx, cancel := context.WithTimeout(r.host.Life.Waits(), timeout)
	defer cancel()
	return r.outbox.Wait(ctx, msg.Session, msg.ID, until)
}

// accepted answers with the message: 200 once it has come as far as was waited for, 202 before. What failed is a problem
// that says why.
func (r *Resource) render(k *rest.Call, msg *message.Message, until message.State) error {
	out := messageOf(msg)
	out.Session = r.hostOf(k.ID)
	if p := problemOf(msg); p != nil {
		p.Message = &out
		return p
	}
	if until == "" {
		until = message.ServerAck
	}
	status := fiber.StatusAccepted
	if msg.State.Reached(until) {
		status = fiber.StatusOK
	}
	k.Render(status, out)
	return nil
}

// endOf is the problem of a message that will not arrive, nil of any other.
func problemOf(msg *message.Message) *rest.Problem {
	switch msg.State {
	case message.Failed:
		failure := msg.Failure
		if failure.Code == "" {
			failure.Code = session.CodeInternal
		}
		return rest.ProblemOf(failure.Err(msg.Session))
	case message.Cancelled:
		return rest.HTTPProblem(rest.CodeCancelled, "")
	default:
		return nil
	}
}

// messageWaitOf is what ?wait= and ?timeout= ask for, or Prefer (RFC 7240) where they are absent: its wait=10 waits for
// the acknowledgement. "" waits for nothing.
func messageWaitOf(k *rest.Call) (until message.State, timeout time.Duration, err error) {
	wait, asked := k.Query["wait"]
	timeout = messageWait
	if text, given := k.Query["timeout"]; given {
		if timeout, err = time.ParseDuration(text); err != nil || timeout < rest.MinWait || timeout > longestWait {
			return "", 0, rest.BadField("timeout", fmt.Sprintf("expected a duration from %s to %s, such as 10s", rest.MinWait, longestWait))
		}
		if !asked || wait == waitNone {
			return "", 0, rest.BadField("timeout", "expected together with wait=server_ack or wait=delivered")
		}
	}
	switch {
	case asked && wait == waitNone:
		return "", 0, nil
	case asked:
		return message.State(wait), timeout, nil
	default:
		until, timeout = preferred(k.Ctx)
		return until, timeout, nil
	}
}

// preferred reads Prefer. What it does not know it may ignore, says the standard.
func preferred(c *fiber.Ctx) (message.State, time.Duration) {
	for _, line := range c.Request().Header.PeekAll(headerPrefer) {
		for each := range strings.SplitSeq(string(line), ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(each), "=")
			seconds, err := strconv.Atoi(strings.Trim(value, `"`))
			switch {
			case strings.EqualFold(name, "respond-async") && value == "":
				c.Set(headerApplied, "respond-async")
				return "", 0
			case strings.EqualFold(name, "wait") && err == nil && seconds > 0:
				seconds = min(seconds, int(longestWait/time.Second))
				c.Set(headerApplied, "wait="+strconv.Itoa(seconds))
				return message.ServerAck, time.Duration(seconds) * time.Second
			}
		}
	}
	return "", 0
}

// keyOf reads Idempotency-Key; "" where there is none.
func keyOf(c *fiber.Ctx) (string, error) {
	key, ok := rest.IdempotencyKey(c)
	if !ok {
		return "", rest.BadField(rest.HeaderKey, "expected one header of 1 to 255 visible ASCII characters")
	}
	return key, nil
}
