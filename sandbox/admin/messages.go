package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"wasup/sandbox"
)

func (a *api) sendMessage(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in sendRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	switch {
	case in.To == "":
		return 0, nil, invalid("to", "expected a phone number or a JID")
	case in.Text == "":
		return 0, nil, invalid("text", "expected at least one character")
	}
	id, err := phone.SendText(r.Context(), in.To, in.Text)
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusCreated, sendBody{ID: id}, nil
}

// listMessages answers with the messages after the one that ?after names, oldest
// first. With ?wait it answers as soon as there is one, and with an empty list
// when the time is over.
func (a *api) listMessages(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	values, err := query(r, "after", "wait")
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel, err := waitContext(r, values, 0)
	if err != nil {
		return 0, nil, err
	}
	defer cancel()
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
		body.Messages = append(body.Messages, messageJSON(message))
	}
	return http.StatusOK, body, nil
}

func messagesAfter(phone *sandbox.Phone, after string) ([]sandbox.Message, error) {
	messages := phone.Messages()
	if after == "" {
		return messages, nil
	}
	at := slices.IndexFunc(messages, func(m sandbox.Message) bool { return m.ID == after })
	if at < 0 {
		return nil, invalid("after", "expected the id of a message of this phone")
	}
	return messages[at+1:], nil
}

// awaitMessage waits for a message that the phone does not have yet.
func awaitMessage(ctx context.Context, phone *sandbox.Phone, after string) ([]sandbox.Message, error) {
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
	_, err := phone.WaitMessage(ctx, func(m sandbox.Message) bool { return !known[m.ID] })
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, nil
	case err != nil:
		return nil, translate(err)
	}
	return messagesAfter(phone, after)
}

func (a *api) readMessage(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	if err := phone.MarkRead(r.Context(), r.PathValue("id")); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

func messageJSON(m sandbox.Message) messageBody {
	return messageBody{
		ID: m.ID, Chat: m.Chat.String(), From: m.From.String(), To: m.To.String(), Device: m.Device,
		FromMe: m.FromMe, Type: m.Type, Text: m.Text, Time: m.Time, Status: string(m.Status), Copies: m.Copies,
	}
}
