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
	Video bool   `json:"video" doc:"whether it is a video call"`
	Ring  string `json:"ring" doc:"how long it rings before it times out, up to 10m; 45s when empty"`
}

type calledBody struct {
	ID string `json:"id" doc:"id of the call"`
}

type callBody struct {
	ID     string    `json:"id" doc:"chosen by the caller"`
	Chat   string    `json:"chat" doc:"JID of the other account, or of the group"`
	From   string    `json:"from" doc:"JID of the calling account"`
	FromMe bool      `json:"from_me" doc:"whether the phone placed the call"`
	Video  bool      `json:"video" doc:"whether it is a video call"`
	State  string    `json:"state" doc:"state of the call, as the phone sees it" values:"call_states"`
	Reason string    `json:"reason,omitempty" doc:"why it ended: timeout when nobody answered"`
	Began  time.Time `json:"began" doc:"when the call was placed"`
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
		{"/phones/{number}/calls", operations{
			"GET":  {do: a.listCalls, id: "listCalls", summary: "List a phone's calls", detail: "Oldest first, placed and received.", out: callsBody{[]callBody{call}}},
			"POST": {do: a.placeCall, id: "placeCall", summary: "Place a call", detail: "To a phone or a group. Phones never answer a call by themselves.", in: callRequest{To: "34600111222", Video: true}, status: http.StatusCreated, out: calledBody{call.ID}},
		}},
		{"/phones/{number}/calls/{id}/accept", operations{
			"POST": {do: a.callAction((*sandbox.Phone).AcceptCall), id: "acceptCall", summary: "Accept a call", detail: "The call must be ringing.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/calls/{id}/reject", operations{
			"POST": {do: a.callAction((*sandbox.Phone).RejectCall), id: "rejectCall", summary: "Reject a call", detail: "The call must be ringing.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/calls/{id}/end", operations{
			"POST": {do: a.callAction((*sandbox.Phone).EndCall), id: "endCall", summary: "Hang up a call", detail: "The phone must have placed or accepted it.", status: http.StatusNoContent},
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
		return 0, nil, translateAs(err, "jid", "to")
	}
	return http.StatusCreated, calledBody{id}, nil
}

// callAction returns an action that calls do with the phone and the call that the path names.
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
