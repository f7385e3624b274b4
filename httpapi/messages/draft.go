package messages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/message"
	"wasup/internal/session"
)

// draft returns the request for the outbox, without the file.
func (r *Resource) draft(in *incoming, id session.ID, key string, asked *v1MessageNew) (message.Request, error) {
	request := message.Request{Session: id, Key: key}
	var err error
	if request.To, err = asked.To.Parse("to"); err != nil {
		return request, err
	}
	if err := r.times(&request, asked); err != nil {
		return request, err
	}
	if in.file != nil && asked.Media == nil {
		asked.Media = &v1MediaNew{}
	}
	if request.Content, err = asked.content(); err != nil {
		return request, err
	}
	if request.To, request.Content, err = message.Addressed(request.To, request.Content); err != nil {
		return request, err
	}
	if asked.Media != nil && in.file == nil {
		request.Fingerprint, err = fingerprint(*asked, request.To)
	}
	return request, err
}

// fingerprint returns a hash that identifies the content of a request, independent of its spelling. It does not need the
// file, because a URL may no longer work when a request is repeated.
func fingerprint(asked v1MessageNew, to message.Recipient) (string, error) {
	asked.To, asked.SendAt, asked.Expires = wire.ChatOf(to), nil, 0 // times are not part of the content
	if asked.Reaction != nil && *asked.Reaction == "" {
		asked.Reaction = nil // it means nothing for a message with a file
	}
	canonical, err := json.Marshal(asked)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// complete gets the file of a message, if it has one, and checks the complete request.
func (in *incoming) complete(request *message.Request, asked *v1MessageNew) (err error) {
	if m := asked.Media; m != nil {
		if request.Content.Media, request.Content.Kind, err = in.mediaOf(m, message.Kind(asked.Kind), *request); err != nil {
			return err
		}
	}
	return check(*request)
}

// check checks a message before it is stored.
func check(request message.Request) error {
	if err := request.Content.Check(); err != nil {
		return err
	}
	return request.Content.CheckFor(request.To)
}

// checkAuthor refuses to edit messages of others, and to revoke them outside groups. It can check that only if the
// session's account is known.
func checkAuthor(request message.Request, own session.Account) error {
	target := request.Content.Target
	if target == nil || !target.Sender.IsNot(own) {
		return nil
	}
	switch {
	case request.Content.Kind == message.KindEdit:
		return rest.BadField("target.sender", "expected a message of the session's own account: others cannot be edited")
	case request.Content.Kind == message.KindRevoke && !request.To.IsGroup():
		return rest.BadField("target.sender", "expected a message of the session's own account: those of others can be revoked in groups only")
	default:
		return nil
	}
}

func (r *Resource) times(request *message.Request, asked *v1MessageNew) error {
	now := r.host.Now()
	if at := asked.SendAt; at != nil {
		if at.After(now.Add(maxSendAhead)) {
			return rest.BadField("send_at", "expected a time within ten years")
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

// mediaOf gets the file of a message from the source that the caller names. If kind is "", the file determines it.
// mediaOf returns the kind of the message.
func (in *incoming) mediaOf(asked *v1MediaNew, kind message.Kind, request message.Request) (*message.Media, message.Kind, error) {
	if asked.Base64 != "" { // of a JSON body the lifter has taken it out
		return nil, kind, rest.BadField("media.base64", "expected in a JSON body only; in a form the file is the part file")
	}
	sources := 0
	for _, there := range []bool{in.file != nil, asked.URL != "", asked.Upload != ""} {
		if there {
			sources++
		}
	}
	if sources != 1 {
		return nil, kind, rest.BadField("media", "expected exactly one of url, base64, upload and the part file")
	}
	if in.file == nil {
		if err := asked.checkBeforeFetch(kind, request); err != nil {
			return nil, kind, err
		}
		if err := in.getFile(asked); err != nil {
			return nil, kind, err
		}
	}
	media, kind, err := asked.mergeInto(*in.file, kind)
	if err == nil && kind == message.KindImage && media.Cut {
		err = rest.BadField("media", "expected the whole file; this picture breaks off")
	}
	return &media, kind, err
}

// checkBeforeFetch finds errors that do not depend on the file before the file is fetched. It checks nothing if the file
// determines the kind.
func (in *v1MediaNew) checkBeforeFetch(kind message.Kind, request message.Request) error {
	if kind == "" {
		return nil
	}
	probe, _, err := in.mergeInto(message.Media{File: "probe", Size: 1, Mime: typeFor(kind)}, kind)
	if err != nil {
		return err
	}
	request.Content.Media = &probe
	return check(request)
}

// getFile gets the file of an upload, or fetches it from a URL.
func (in *incoming) getFile(asked *v1MediaNew) error {
	if asked.Upload != "" {
		media, err := in.of.files.Use(in.ctx, asked.Upload)
		if err == nil {
			in.file = &media
		}
		return aboutFile(err, "media.upload")
	}
	address, err := url.Parse(asked.URL)
	if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Hostname() == "" {
		return rest.BadField("media.url", "expected an http or https URL")
	}
	if !session.HasValidPort(address) {
		return rest.BadField("media.url", "expected a port from 1 to 65535, or none")
	}
	media, err := in.of.files.Fetch(in.ctx, asked.URL, message.FileHint{Mime: asked.Mime, Name: asked.Name})
	if err == nil {
		in.file = &media
	}
	return aboutFile(err, "media.url")
}

// aboutFile adds to an error about a file the name of the field by which the file came.
func aboutFile(err error, field string) error {
	var e *session.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Code == session.CodeInvalidRequest && e.Field == "file":
		return rest.BadField(field, strings.TrimPrefix(e.Public(), "file: "))
	case slices.Contains([]session.Code{session.CodeFetchFailed, session.CodeFetchRefused, session.CodeMediaTooLarge, session.CodeMediaGone}, e.Code):
		p := rest.ProblemOf(err)
		p.Field, p.Fields = field, []wire.FieldError{{Field: field, Detail: p.Detail}}
		return p
	default:
		return err
	}
}
