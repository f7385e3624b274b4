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

	// waitNone is the value of ?wait= for an answer right after the commit.
	waitNone = "none"
	// messageWait is how long ?wait= waits without ?timeout=. longestWait is the longest ?timeout=.
	messageWait = 30 * time.Second
	longestWait = time.Minute
	// maxSendAhead is how far ahead send_at may be.
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

// enqueue stores a message, or finds the message for which its key was used before.
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
		in.file = nil // the message uses the file, or may use it: a failed write may have been committed
	}
	return msg, existed, err
}

// refusedByOutbox reports whether the code means that the outbox has not stored the message.
func refusedByOutbox(code session.Code) bool {
	return slices.Contains([]session.Code{
		session.CodeInvalidRequest, session.CodeUnsupported, session.CodeIdempotencyReuse, session.CodeNotFound, session.CodeQueueFull, session.CodeShuttingDown,
	}, code)
}

// waitFor waits until the message has reached a state, at most for timeout, and returns the message as it is then. A
// timeout is no error, because the message is accepted and its state shows how far it is.
func (r *Resource) waitFor(msg message.Message, until message.State, timeout time.Duration) (message.Message, error) {
	ctx, cancel := context.WithTimeout(r.host.Life.Waits(), timeout)
	defer cancel()
	return r.outbox.Wait(ctx, msg.Session, msg.ID, until)
}

// render answers with the message: 200 if it has reached the state that the request waits for, 202 otherwise. A message
// that failed or was cancelled is answered with a problem.
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

// problemOf returns the problem of a message that failed or was cancelled, nil for any other.
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

// messageWaitOf returns the state to wait for and the timeout. They come from ?wait= and ?timeout=, or from Prefer (RFC
// 7240) if ?wait= is absent: wait=10 in it waits 10 s for the acknowledgement. The state "" means not to wait.
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

// preferred reads Prefer. It ignores unknown preferences, as the standard allows.
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

// keyOf reads Idempotency-Key. It returns "" if there is no such header.
func keyOf(c *fiber.Ctx) (string, error) {
	key, ok := rest.IdempotencyKey(c)
	if !ok {
		return "", rest.BadField(rest.HeaderKey, "expected one header of 1 to 255 visible ASCII characters")
	}
	return key, nil
}
