package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

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
	farthest = 10 * 366 * 24 * time.Hour
)

// v1SendMessage is POST /v1/sessions/{id}/messages.
func v1SendMessage(s *Server, k *call) error {
	until, timeout, err := messageWaitOf(k)
	if err != nil {
		return err
	}
	key, err := v1KeyOf(k.Ctx)
	if err != nil {
		return err
	}
	if _, err := s.known(k); err != nil {
		return err
	}
	in := s.receive(k)
	defer in.drop()
	asked, err := in.message(k.Ctx)
	if err != nil {
		return err
	}
	message, existed, err := s.enqueue(in, k.id, key, &asked)
	if err != nil {
		return err
	}
	if existed {
		k.Set(headerReplayed, "true")
	}
	if until != "" && !message.State.Reached(until) {
		if message, err = s.awaited(message, until, timeout); err != nil {
			return err
		}
	}
	k.Set(fiber.HeaderLocation, "/v1/sessions/"+string(k.id)+"/messages/"+message.ID)
	return s.accepted(k, &message, until)
}

// enqueue has a message stored, or finds the one that its key was used for.
func (s *Server) enqueue(in *incoming, id session.ID, key string, asked *v1MessageNew) (message session.Message, existed bool, err error) {
	request, err := s.draft(in, id, key, asked)
	if err != nil {
		return message, false, err
	}
	if key != "" && request.Fingerprint != "" {
		ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
		message, existed, err = s.deps.Messages.Known(ctx, request)
		cancel()
		if err != nil || existed {
			return message, existed, err
		}
	}
	if err := in.complete(&request, asked); err != nil {
		return message, false, err
	}
	if status, ok := s.deps.Sessions.Status(id); ok {
		if err := checkAuthor(request, status.Account); err != nil {
			return message, false, err
		}
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	message, existed, err = s.deps.Messages.Enqueue(ctx, request)
	if !existed && !refusedByOutbox(session.CodeOf(err)) {
		in.file = nil // it is the message's now, or may be: a write that was not answered may have been done
	}
	return message, existed, err
}

// refusedByOutbox reports the codes by which the outbox says that it took nothing.
func refusedByOutbox(code session.Code) bool {
	return isAny(code, session.CodeInvalidRequest, session.CodeIdempotencyReuse, session.CodeNotFound, session.CodeQueueFull, session.CodeShuttingDown)
}

// awaited is the message once it has come as far as is waited for, or as it is when the wait is over. That is no error:
// the message is accepted, and its state says how far it is.
func (s *Server) awaited(message session.Message, until session.MessageState, timeout time.Duration) (session.Message, error) {
	ctx, cancel := context.WithTimeout(s.waits, timeout)
	defer cancel()
	return s.deps.Messages.Wait(ctx, message.Session, message.ID, until)
}

// accepted answers with the message: 200 once it has come as far as was waited for, 202 before. What failed is a problem
// that says why.
func (s *Server) accepted(k *call, message *session.Message, until session.MessageState) error {
	out := s.v1MessageOf(message)
	out.Session = s.hostOf(k.id)
	if p := endOf(message); p != nil {
		p.message = &out
		return p
	}
	if until == "" {
		until = session.MessageServerAck
	}
	status := fiber.StatusAccepted
	if message.State.Reached(until) {
		status = fiber.StatusOK
	}
	s.render(k.Ctx, status, out)
	return nil
}

// endOf is the problem of a message that will not arrive, nil of any other.
func endOf(message *session.Message) *problem {
	switch message.State {
	case session.MessageFailed:
		failure := message.Failure
		if failure.Code == "" {
			failure.Code = session.CodeInternal
		}
		return problemOf(failure.Err(message.Session))
	case session.MessageCancelled:
		return httpProblem(probCancelled, "")
	default:
		return nil
	}
}

// messageWaitOf is what ?wait= and ?timeout= ask for, or Prefer (RFC 7240) where they are absent: its wait=10 waits for
// the acknowledgement. "" waits for nothing.
func messageWaitOf(k *call) (until session.MessageState, timeout time.Duration, err error) {
	wait, asked := k.query["wait"]
	timeout = messageWait
	if text, given := k.query["timeout"]; given {
		if timeout, err = time.ParseDuration(text); err != nil || timeout < minWait || timeout > longestWait {
			return "", 0, badField("timeout", fmt.Sprintf("expected a duration from %s to %s, such as 10s", minWait, longestWait))
		}
		if !asked || wait == waitNone {
			return "", 0, badField("timeout", "expected together with wait=server_ack or wait=delivered")
		}
	}
	switch {
	case asked && wait == waitNone:
		return "", 0, nil
	case asked:
		return session.MessageState(wait), timeout, nil
	default:
		until, timeout = preferred(k.Ctx)
		return until, timeout, nil
	}
}

// preferred reads Prefer. What it does not know it may ignore, says the standard.
func preferred(c *fiber.Ctx) (session.MessageState, time.Duration) {
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
				return session.MessageServerAck, time.Duration(seconds) * time.Second
			}
		}
	}
	return "", 0
}

// v1KeyOf is keyOf in the words of /v1.
func v1KeyOf(c *fiber.Ctx) (string, error) {
	key, err := keyOf(c)
	if err != nil {
		return "", badField(headerKey, "expected one header of 1 to 255 visible ASCII characters")
	}
	return key, nil
}

// draft is the request for the outbox without its file.
func (s *Server) draft(in *incoming, id session.ID, key string, asked *v1MessageNew) (session.MessageRequest, error) {
	request := session.MessageRequest{Session: id, Key: key}
	var err error
	if request.To, err = session.ParseRecipient(asked.To); err != nil {
		return request, err
	}
	if err := s.times(&request, asked); err != nil {
		return request, err
	}
	if in.file != nil && asked.Media == nil {
		asked.Media = &v1MediaNew{}
	}
	if request.Content, err = asked.content(); err != nil {
		return request, err
	}
	if asked.Media != nil && in.file == nil {
		request.Fingerprint, err = fingerprint(*asked, request.To)
	}
	return request, err
}

// fingerprint is what was asked for, however it was spelled, without getting the file: an address may lead nowhere by
// the time a request is repeated.
func fingerprint(asked v1MessageNew, to session.Recipient) (string, error) {
	asked.To, asked.SendAt, asked.Expires = string(to), nil, 0 // when is not what
	canonical, err := json.Marshal(asked)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// complete gets the file of a message, if it has one, and checks the whole.
func (in *incoming) complete(request *session.MessageRequest, asked *v1MessageNew) (err error) {
	if m := asked.Media; m != nil {
		if request.Content.Media, request.Content.Kind, err = in.mediaOf(m, session.Kind(asked.Kind), *request); err != nil {
			return err
		}
	}
	return check(*request)
}

// check says what is wrong with a message before it is stored.
func check(request session.MessageRequest) error {
	if err := request.Content.Check(); err != nil {
		return err
	}
	return request.Content.CheckFor(request.To)
}

// checkAuthor refuses to change what somebody else wrote, as far as the account of the session is known.
func checkAuthor(request session.MessageRequest, own session.Account) error {
	target := request.Content.Target
	if target == nil || !own.Excludes(target.Sender) {
		return nil
	}
	switch {
	case request.Content.Kind == session.KindEdit:
		return badField("target.sender", "expected a message of the session's own account: others cannot be edited")
	case request.Content.Kind == session.KindRevoke && !request.To.IsGroup():
		return badField("target.sender", "expected a message of the session's own account: those of others can be revoked in groups only")
	default:
		return nil
	}
}

func (s *Server) times(request *session.MessageRequest, asked *v1MessageNew) error {
	now := s.cfg.Now()
	if at := asked.SendAt; at != nil {
		if at.After(now.Add(farthest)) {
			return badField("send_at", "expected a time within ten years")
		}
		if at.After(now) {
			request.SendAt = *at
		}
	}
	if asked.Expires > 0 {
		begin := now
		if !request.SendAt.IsZero() {
			begin = request.SendAt
		}
		request.ExpiresAt = begin.Add(time.Duration(asked.Expires) * time.Second)
	}
	return nil
}

// mediaOf gets the file of a message from where the caller says it is. kind is "" where the file decides, and the one that
// the message has comes back.
func (in *incoming) mediaOf(asked *v1MediaNew, kind session.Kind, request session.MessageRequest) (*session.Media, session.Kind, error) {
	if asked.Base64 != "" { // in a JSON body it was taken out before
		return nil, kind, badField("media.base64", "expected in a JSON body only; in a form the file is the part file")
	}
	sources := 0
	for _, there := range []bool{in.file != nil, asked.URL != "", asked.Upload != ""} {
		if there {
			sources++
		}
	}
	if sources != 1 {
		return nil, kind, badField("media", "expected exactly one of url, base64, upload and the part file")
	}
	if in.file == nil {
		if err := asked.foresee(kind, request); err != nil {
			return nil, kind, err
		}
		if err := in.bring(asked); err != nil {
			return nil, kind, err
		}
	}
	media, kind, err := asked.onto(*in.file, kind)
	if err == nil && kind == session.KindImage && media.Cut {
		err = badField("media", "expected the whole file; this picture breaks off")
	}
	return &media, kind, err
}

// foresee says what is wrong without the file before it is fetched. Where the file decides on the kind, that is little.
func (in *v1MediaNew) foresee(kind session.Kind, request session.MessageRequest) error {
	if kind == "" {
		return nil
	}
	probe, _, err := in.onto(session.Media{File: "probe", Size: 1, Mime: typeFor(kind)}, kind)
	if err != nil {
		return err
	}
	request.Content.Media = &probe
	return check(request)
}

func (in *incoming) bring(asked *v1MediaNew) error {
	if asked.Upload != "" {
		media, err := in.s.deps.Files.Use(in.ctx, asked.Upload)
		if err == nil {
			in.file = &media
		}
		return aboutFile(err, "media.upload")
	}
	address, err := url.Parse(asked.URL)
	if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Hostname() == "" {
		return badField("media.url", "expected an http or https URL")
	}
	if _, err := strconv.ParseUint(cmp.Or(address.Port(), "80"), 10, 16); err != nil {
		return badField("media.url", "expected a port from 0 to 65535")
	}
	media, err := in.s.deps.Files.Fetch(in.ctx, asked.URL, session.FileHint{Mime: asked.Mime, Name: asked.Name})
	if err == nil {
		in.file = &media
	}
	return aboutFile(err, "media.url")
}

// aboutFile names the field that a file came by, or was to come by, in what is wrong with the file.
func aboutFile(err error, field string) error {
	var e *session.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Code == session.CodeInvalidRequest && e.Field == "file":
		return badField(field, strings.TrimPrefix(e.Public(), "file: "))
	case isAny(e.Code, session.CodeFetchFailed, session.CodeFetchRefused, session.CodeMediaTooLarge, session.CodeMediaGone):
		p := problemOf(err)
		p.field, p.fields = field, []v1FieldError{{Field: field, Detail: p.detail}}
		return p
	default:
		return err
	}
}
