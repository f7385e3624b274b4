package admin

import (
	"mime"
	"net/http"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

type chatStateRequest struct {
	To    string `json:"to" doc:"a number, a JID or the JID of a group" need:"yes"`
	State string `json:"state" doc:"what the user is doing in the chat" need:"yes" values:"chat_states"`
}

// versionChange holds the fields to change. A nil field stays as it is.
type versionChange struct {
	MinVersion *string `json:"min_version" doc:"the lowest client version that may log in, such as 2.3000.1045649367; empty for no limit"`
	WebVersion *string `json:"web_version" doc:"the client version that the front page offers; empty to offer min_version"`
}

type versionBody struct {
	MinVersion string `json:"min_version" doc:"the lowest client version that may log in; empty for no limit"`
	WebVersion string `json:"web_version" doc:"the client version that the front page offers; empty when none is set"`
}

func (a profileAPI) routes() []route {
	version := "2.3000.1045649367"
	return []route{
		{"/phones/{number}/picture", operations{
			"GET":    {do: a.getPicture, id: "getPicture", summary: "Get a phone's profile picture", query: []string{"picture"}, file: true},
			"PUT":    {do: a.setPicture, id: "setPicture", summary: "Set a phone's profile picture", detail: "Accounts that have a chat with the phone are notified.", jpeg: true, status: http.StatusNoContent},
			"DELETE": {do: a.removePicture, id: "removePicture", summary: "Delete a phone's profile picture", status: http.StatusNoContent},
		}},
		{"/phones/{number}/chat-state", operations{
			"POST": {
				do: a.sendChatState, id: "sendChatState", summary: "Show typing or recording", detail: "Shows in a chat that the phone's user is typing, recording or has stopped.",
				in: chatStateRequest{To: "34600111222", State: string(phones.StateComposing)}, status: http.StatusNoContent,
			},
		}},
		{"/version", operations{
			"GET":   {do: a.getVersion, id: "getVersion", summary: "Get the accepted client versions", detail: "The lowest version that may log in, and the version that the front page offers.", out: versionBody{version, version}},
			"PATCH": {do: a.changeVersion, id: "changeVersion", summary: "Set the accepted client versions", detail: "Older clients are refused with 405 at their next login.", in: versionChange{MinVersion: &version}, out: versionBody{MinVersion: version}},
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
		return 0, nil, translateAs(err, "jid", "to")
	}
	return http.StatusNoContent, nil, nil
}

func (a profileAPI) getVersion(r *http.Request) (int, any, error) {
	return http.StatusOK, versionBody{versionText(a.server.Versions().Least()), versionText(a.server.Versions().Web())}, nil
}

// changeVersion sets the lowest version that may log in, the version that the front page offers, or both.
func (a profileAPI) changeVersion(r *http.Request) (int, any, error) {
	var in versionChange
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if in == (versionChange{}) {
		return 0, nil, invalid("body", "expected min_version or web_version")
	}
	least, err := readVersion("min_version", in.MinVersion, a.server.Versions().Least())
	if err != nil {
		return 0, nil, err
	}
	offered, err := readVersion("web_version", in.WebVersion, a.server.Versions().Web())
	if err != nil {
		return 0, nil, err
	}
	a.server.Versions().SetLeast(least)
	a.server.Versions().SetWeb(offered)
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
