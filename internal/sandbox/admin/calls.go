package admin

import (
	"context"
	"net/http"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/calls"
	"wasup/internal/sandbox/phones"
)

type callRequest struct {
	To    string `json:"to" doc:"the number or JID of a phone of this sandbox, or the JID of a group" need:"yes"`
	Video bool   `json:"video" doc:"whether there is a picture, too"`
	Ring  string `json:"ring" doc:"how long it rings before it ends by itself, up to 10m; 45s when empty"`
}

type calledBody struct {
	ID string `json:"id" doc:"of the call"`
}

type callBody struct {
	ID     string    `json:"id" doc:"chosen by the caller"`
	Chat   string    `json:"chat" doc:"the other side, or the group"`
	From   string    `json:"from" doc:"the account that calls"`
	FromMe bool      `json:"from_me" doc:"the phone's own account calls"`
	Video  bool      `json:"video" doc:"whether there is a picture, too"`
	State  string    `json:"state" doc:"how far it has come, as the phone sees it" values:"call_states"`
	Reason string    `json:"reason,omitempty" doc:"why it ended: timeout when nobody took it"`
	Began  time.Time `json:"began" doc:"when it was placed"`
}

type callsBody struct {
	Calls []callBody `json:"calls" doc:"oldest first"`
}

func callJSON(c calls.Call) callBody {
	return callBody{
		ID: c.ID, Chat: c.Chat.String(), From: c.From.String(), FromMe: c.FromMe, Video: c.Video,
		State: string(c.State), Reason: c.Reason, Began: c.Began,
	}
}

func (a callAPI) routes() []route {
	call := callBody{
		ID: "6C1F2A9E0B7D4C5381A2F3E4D5C6B7A8", Chat: "34600111222@s.whatsapp.net", From: "34600111222@s.whatsapp.net",
		State: string(calls.Ringing), Began: exampleTime(),
	}
	return []route{
		{"/phones/{number}/calls", "calls of the phone; call somebody", operations{
			"GET":  {do: a.listCalls, id: "listCalls", says: "List the calls that a phone placed or got, oldest first.", out: callsBody{[]callBody{call}}},
			"POST": {do: a.placeCall, id: "placeCall", says: "Call somebody or a group. Phones never take a call by themselves.", in: callRequest{To: "34600111222", Video: true}, status: http.StatusCreated, out: calledBody{call.ID}},
		}},
		{"/phones/{number}/calls/{id}/accept", "take a call that rings", operations{
			"POST": {do: a.callAction((*sandbox.Phone).AcceptCall), id: "acceptCall", says: "Take a call that rings.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/calls/{id}/reject", "do not take a call that rings", operations{
			"POST": {do: a.callAction((*sandbox.Phone).RejectCall), id: "rejectCall", says: "Do not take a call that rings.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/calls/{id}/end", "hang up", operations{
			"POST": {do: a.callAction((*sandbox.Phone).EndCall), id: "endCall", says: "Hang up a call that the phone placed or took.", status: http.StatusNoContent},
		}},
	}
}

func (a callAPI) listCalls(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	body := callsBody{Calls: []callBody{}}
	for _, call := range phone.Calls() {
		body.Calls = append(body.Calls, callJSON(call))
	}
	return http.StatusOK, body, nil
}

func (a callAPI) placeCall(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in callRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	ring, err := readDuration("ring", in.Ring)
	switch {
	case err != nil:
		return 0, nil, err
	case in.To == "":
		return 0, nil, invalid("to", "expected a phone number or a JID")
	case in.Ring != "" && ring <= 0:
		return 0, nil, translate(calls.ErrBadRing)
	}
	id, err := phone.PlaceCall(r.Context(), phones.CallConfig{To: in.To, Video: in.Video, Ring: ring})
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusCreated, calledBody{id}, nil
}

// callAction does something with one call of a phone.
func (a callAPI) callAction(do func(*sandbox.Phone, context.Context, string) error) action {
	return func(r *http.Request) (int, any, error) {
		phone, err := a.phone(r)
		if err != nil {
			return 0, nil, err
		}
		if err := do(phone, r.Context(), r.PathValue("id")); err != nil {
			return 0, nil, translate(err)
		}
		return http.StatusNoContent, nil, nil
	}
}
