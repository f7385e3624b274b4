package admin

import (
	"mime"
	"net/http"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

type chatStateRequest struct {
	To    string `json:"to" doc:"a number, a JID or the JID of a group" need:"yes"`
	State string `json:"state" doc:"what the person is doing there" need:"yes" values:"chat_states"`
}

// versionChange says what is to be different; what is left out stays.
type versionChange struct {
	MinVersion *string `json:"min_version" doc:"the oldest version of clients that is let in, such as 2.3000.1045649367; empty lets all in"`
	WebVersion *string `json:"web_version" doc:"the version that the front page offers; empty offers the oldest that is let in"`
}

type versionBody struct {
	MinVersion string `json:"min_version" doc:"the oldest version of clients that is let in; empty when all are"`
	WebVersion string `json:"web_version" doc:"the version that the front page offers; empty when none was set"`
}

func (a profileAPI) routes() []route {
	version := "2.3000.1045649367"
	return []route{
		{"/phones/{number}/picture", "the profile picture; set it; take it away", operations{
			"GET":    {do: a.getPicture, id: "getPicture", says: "Get the profile picture.", file: true},
			"PUT":    {do: a.setPicture, id: "setPicture", says: "Set the profile picture. Who talks with the phone is told.", jpeg: true, status: http.StatusNoContent},
			"DELETE": {do: a.removePicture, id: "removePicture", says: "Take the profile picture away.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/chat-state", "show in a chat that the person types, records or stopped", operations{
			"POST": {
				do: a.sendChatState, id: "sendChatState", says: "Show in a chat that the phone's person types, records or stopped.",
				in: chatStateRequest{To: "34600111222", State: string(phones.StateComposing)}, status: http.StatusNoContent,
			},
		}},
		{"/version", "which versions of clients are let in, and which one is offered", operations{
			"GET":   {do: a.getVersion, id: "getVersion", says: "Tell which versions of clients are let in, and which one the front page offers.", out: versionBody{version, version}},
			"PATCH": {do: a.changeVersion, id: "changeVersion", says: "Refuse older clients at their next login (405), or offer another version.", in: versionChange{MinVersion: &version}, out: versionBody{MinVersion: version}},
		}},
	}
}

func (a profileAPI) getPicture(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	jpeg, err := phone.Picture()
	switch {
	case err != nil:
		return 0, nil, translate(err)
	case jpeg == nil:
		return 0, nil, notFound("media_not_found", "number", "the phone has no profile picture")
	}
	return http.StatusOK, fileBody{"image/jpeg", jpeg}, nil
}

func (a profileAPI) setPicture(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "image/jpeg" {
		return 0, nil, &problem{http.StatusUnsupportedMediaType, "unsupported_media_type", "expected Content-Type: image/jpeg", ""}
	}
	jpeg, err := readBody(r, maxPicture)
	if err != nil {
		return 0, nil, err
	}
	if err := phone.SetPicture(jpeg); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

func (a profileAPI) removePicture(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	if err := phone.SetPicture(nil); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

func (a profileAPI) sendChatState(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in chatStateRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if in.To == "" {
		return 0, nil, invalid("to", "expected a phone number or a JID")
	}
	if err := phone.SendChatState(r.Context(), in.To, phones.ChatState(in.State)); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

func (a profileAPI) getVersion(r *http.Request) (int, any, error) {
	if _, err := query(r); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, versionBody{versionText(a.server.MinVersion()), versionText(a.server.WebVersion())}, nil
}

// changeVersion refuses older clients, or offers another version on the front page.
func (a profileAPI) changeVersion(r *http.Request) (int, any, error) {
	var in versionChange
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if in == (versionChange{}) {
		return 0, nil, invalid("body", "expected min_version or web_version")
	}
	least, err := readVersion("min_version", in.MinVersion, a.server.MinVersion())
	if err != nil {
		return 0, nil, err
	}
	offered, err := readVersion("web_version", in.WebVersion, a.server.WebVersion())
	if err != nil {
		return 0, nil, err
	}
	a.server.SetMinVersion(least)
	a.server.SetWebVersion(offered)
	return http.StatusOK, versionBody{versionText(least), versionText(offered)}, nil
}

func readVersion(field string, text *string, present sandbox.Version) (sandbox.Version, error) {
	switch {
	case text == nil:
		return present, nil
	case *text == "":
		return sandbox.Version{}, nil
	}
	version, err := sandbox.ParseVersion(*text)
	if err != nil {
		return version, invalid(field, "expected three numbers such as 2.3000.1045649367, or nothing")
	}
	return version, nil
}

func versionText(v sandbox.Version) string {
	if v == (sandbox.Version{}) {
		return ""
	}
	return v.String()
}
