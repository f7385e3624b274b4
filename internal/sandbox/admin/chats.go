package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"wasup/internal/sandbox/phones"
)

// chatChange holds the fields to change. An omitted field stays as it is.
type chatChange struct {
	Pinned   *bool  `json:"pinned" doc:"whether the chat is pinned to the top"`
	Archived *bool  `json:"archived" doc:"whether the chat is archived"`
	Muted    *bool  `json:"muted" doc:"whether notifications are muted"`
	MuteFor  string `json:"mute_for" doc:"with muted: the duration; for ever when empty"`
	Read     *bool  `json:"read" doc:"marks the chat as read or unread; no receipt is sent"`
}

type chatBody struct {
	JID          string     `json:"jid" doc:"JID of the account (by number) or the group"`
	Name         string     `json:"name,omitempty" doc:"the contact's name in the address book, or the group's subject"`
	Pinned       bool       `json:"pinned" doc:"whether the chat is pinned to the top"`
	Archived     bool       `json:"archived" doc:"whether the chat is archived"`
	Muted        bool       `json:"muted" doc:"whether notifications are muted"`
	MutedUntil   *time.Time `json:"muted_until,omitempty" doc:"when the mute ends; omitted when it is for ever"`
	MarkedUnread bool       `json:"marked_unread" doc:"whether the chat was marked as unread"`
	Expiration   uint32     `json:"expiration,omitempty" doc:"seconds until new messages disappear; omitted for never"`
	Messages     int        `json:"messages" doc:"number of messages"`
	Unread       int        `json:"unread" doc:"number of unread messages"`
	Last         *time.Time `json:"last,omitempty" doc:"time of the newest message"`
}

type chatsBody struct {
	Chats []chatBody `json:"chats" doc:"newest first"`
}

type contactRequest struct {
	Name string `json:"name" doc:"1 to 100 bytes" need:"yes"`
}

type starRequest struct {
	Starred *bool `json:"starred" doc:"whether the message has a star" need:"yes"`
}

type appStateEntry struct {
	Collection string          `json:"collection" doc:"critical_block, critical_unblock_low, regular_high, regular or regular_low"`
	Index      []string        `json:"index" doc:"kind of the entry and what it applies to"`
	Value      json.RawMessage `json:"value" doc:"SyncActionValue of the protocol, as JSON"`
	Version    uint64          `json:"version" doc:"version of the collection that added the entry"`
	Device     uint16          `json:"device" doc:"device that set it; 0 is the phone"`
	Time       time.Time       `json:"time" doc:"when it was set"`
}

type appStateBody struct {
	Entries []appStateEntry `json:"entries" doc:"sorted by collection and index"`
}

func chatJSON(c phones.ChatInfo) chatBody {
	body := chatBody{
		JID: c.JID.String(), Name: c.Name, Pinned: c.Pinned, Archived: c.Archived, Muted: c.Muted, MarkedUnread: c.MarkedUnread,
		Expiration: c.Expiration, Messages: c.Messages, Unread: c.Unread,
	}
	if !c.MutedUntil.IsZero() {
		body.MutedUntil = &c.MutedUntil
	}
	if !c.Last.IsZero() {
		body.Last = &c.Last
	}
	return body
}

func (a chatAPI) listChats(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	body := chatsBody{Chats: []chatBody{}}
	for _, chat := range phone.Chats() {
		body.Chats = append(body.Chats, chatJSON(chat))
	}
	return http.StatusOK, body, nil
}

func (a chatAPI) changeChat(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in chatChange
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	muteFor, err := readDuration("mute_for", in.MuteFor)
	if err != nil {
		return 0, nil, err
	}
	if in.MuteFor != "" && (in.Muted == nil || !*in.Muted) {
		return 0, nil, invalid("mute_for", "belongs to muted")
	}
	change := phones.ChatChange{Pinned: in.Pinned, Archived: in.Archived, Muted: in.Muted, MuteFor: muteFor, Read: in.Read}
	return http.StatusNoContent, nil, translateChat("chat", phone.ChangeChat(r.Context(), r.PathValue("chat"), change))
}

func (a chatAPI) nameContact(r *http.Request) (int, any, error) {
	var in contactRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if in.Name == "" {
		return 0, nil, invalid("name", "expected 1 to 100 bytes; DELETE removes a contact")
	}
	return a.contact(r, in.Name)
}

func (a chatAPI) removeContact(r *http.Request) (int, any, error) { return a.contact(r, "") }

func (a chatAPI) contact(r *http.Request, name string) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, translateChat("contact", phone.NameContact(r.Context(), r.PathValue("contact"), name))
}

func (a chatAPI) starMessage(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in starRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if in.Starred == nil {
		return 0, nil, invalid("starred", "expected true or false")
	}
	if err := phone.StarMessage(r.Context(), r.PathValue("id"), *in.Starred); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

func (a chatAPI) appState(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	body := appStateBody{Entries: []appStateEntry{}}
	for _, entry := range phone.AppState() {
		body.Entries = append(body.Entries, appStateEntry{
			Collection: entry.Collection, Index: entry.Index, Value: entry.Value, Version: entry.Version, Device: entry.Device, Time: entry.Time,
		})
	}
	return http.StatusOK, body, nil
}

// translateChat translates an error and replaces the field "to" by the path parameter that names the other account.
func translateChat(field string, err error) error {
	if err == nil {
		return nil
	}
	return translateAs(err, "to", field)
}

func (a chatAPI) routes() []route {
	chat := exampleChat()
	return []route{
		{"/phones/{number}/chats", operations{
			"GET": {do: a.listChats, id: "listChats", summary: "List a phone's chats", detail: "Newest first.", out: chatsBody{[]chatBody{chat}}},
		}},
		{"/phones/{number}/chats/{chat}", operations{
			"PATCH": {do: a.changeChat, id: "changeChat", summary: "Update a chat", detail: "Pins, archives or mutes it, or marks it as read. Linked devices are notified.", in: chatChange{Pinned: new(true)}, status: http.StatusNoContent},
		}},
		{"/phones/{number}/contacts/{contact}", operations{
			"PUT":    {do: a.nameContact, id: "nameContact", summary: "Name a contact", detail: "Adds the contact to the phone's address book or changes its name there. Linked devices are notified.", in: contactRequest{"Bruno"}, status: http.StatusNoContent},
			"DELETE": {do: a.removeContact, id: "removeContact", summary: "Delete a contact", detail: "Removes the contact from the phone's address book.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/messages/{id}/star", operations{
			"PUT": {do: a.starMessage, id: "starMessage", summary: "Star or unstar a message", detail: "Linked devices are notified.", in: starRequest{new(true)}, status: http.StatusNoContent},
		}},
		{"/phones/{number}/app-state", operations{
			"GET": {do: a.appState, id: "getAppState", summary: "Get a phone's app state", detail: "The names, pins, mutes and other settings that the phone shares with its linked devices, decrypted.", out: appStateBody{[]appStateEntry{{
				Collection: "regular_low", Index: []string{"pin_v1", "104857600000001@lid"}, Value: json.RawMessage(`{"pinAction":{"pinned":true}}`),
				Version: 3, Device: 1, Time: exampleTime(),
			}}}},
		}},
	}
}

func exampleChat() chatBody {
	until := exampleTime().Add(8 * time.Hour)
	last := exampleTime()
	return chatBody{JID: "34600111222@s.whatsapp.net", Name: "Bruno", Pinned: true, Muted: true, MutedUntil: &until, Messages: 12, Unread: 1, Last: &last}
}
