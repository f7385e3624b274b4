package admin

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

func (a messageAPI) sendMessage(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in sendRequest
	if err := readJSON(r, maxBody, &in); err != nil {
		return 0, nil, err
	}
	if in.To == "" {
		return 0, nil, invalid("to", "expected a phone number or a JID")
	}
	id, err := phone.SendMessage(r.Context(), in.outgoing())
	if err != nil {
		return 0, nil, translateAs(err, "jid", "to")
	}
	return http.StatusCreated, sendBody{ID: id}, nil
}

// listMessages answers with the messages after the one that ?after names, oldest
// first. With ?wait it waits until there is one, and answers with an empty list
// when the time is over.
func (a messageAPI) listMessages(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel, err := waitContext(r, 0)
	if err != nil {
		return 0, nil, err
	}
	defer cancel()
	values := r.URL.Query()
	messages, err := messagesAfter(phone, values.Get("after"))
	if err != nil {
		return 0, nil, err
	}
	if len(messages) == 0 && values.Has("wait") {
		messages, err = awaitMessage(ctx, phone, values.Get("after"))
		if err != nil {
			return 0, nil, err
		}
	}
	body := messagesBody{Messages: []messageBody{}}
	for _, message := range messages {
		body.Messages = append(body.Messages, messageJSON(phone, message))
	}
	return http.StatusOK, body, nil
}

func messagesAfter(phone *sandbox.Phone, after string) ([]phones.Message, error) {
	messages := phone.Messages()
	if after == "" {
		return messages, nil
	}
	at := slices.IndexFunc(messages, func(m phones.Message) bool { return m.ID == after })
	if at < 0 {
		return nil, invalid("after", "expected the id of a message of this phone")
	}
	return messages[at+1:], nil
}

// awaitMessage waits until the phone has a message after the given one.
func awaitMessage(ctx context.Context, phone *sandbox.Phone, after string) ([]phones.Message, error) {
	known := map[string]bool{}
	for _, message := range phone.Messages() {
		known[message.ID] = true
		if message.ID == after {
			break
		}
	}
	if after == "" {
		clear(known)
	}
	_, err := phone.WaitMessage(ctx, func(m phones.Message) bool { return !known[m.ID] })
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, nil
	case err != nil:
		return nil, translate(err)
	}
	return messagesAfter(phone, after)
}

func (a messageAPI) readMessage(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	if err := phone.MarkRead(r.Context(), r.PathValue("id")); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

// fileBody is an answer that is a file. The sender chose its MIME type.
type fileBody struct {
	mime string
	data []byte
}

// messageMedia answers with the decrypted file of a message.
func (a messageAPI) messageMedia(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	messages, id := phone.Messages(), r.PathValue("id")
	at := slices.IndexFunc(messages, func(m phones.Message) bool { return m.ID == id && m.Media != nil })
	if at < 0 {
		return 0, nil, notFound("media_not_found", "id", "the phone has no such message with a file")
	}
	data, err := messages[at].Media.Bytes()
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, fileBody{messages[at].Media.MIME, data}, nil
}

// answerFile writes a file. The sender chose its type, so answerFile keeps only types that a browser shows without
// running them, and its policy forbids scripts in any case.
func (a *api) answerFile(w http.ResponseWriter, status int, file fileBody) {
	media, _, err := mime.ParseMediaType(file.mime)
	kind, _, _ := strings.Cut(media, "/")
	if err != nil || media == "image/svg+xml" || !slices.Contains([]string{"image", "audio", "video"}, kind) {
		media = "application/octet-stream"
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
	w.WriteHeader(status)
	if _, err = w.Write(file.data); err != nil {
		a.log.Debug("could not write an admin answer", "err", err)
	}
}
