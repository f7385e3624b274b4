package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"wasup/internal/sandbox/phones"
)

// chatChange says what is to be different; what is left out stays.
type chatChange struct {
	Pinned   *bool  `json:"pinned" doc:"whether it stays on top"`
	Archived *bool  `json:"archived" doc:"whether it is put away"`
	Muted    *bool  `json:"muted" doc:"whether it makes no noise"`
	MuteFor  string `json:"mute_for" doc:"with muted: for how long; for ever when empty"`
	Read     *bool  `json:"read" doc:"marks it as read or unread; nobody gets a receipt"`
}

type chatBody struct {
	JID          string     `json:"jid" doc:"by number, or of a group"`
	Name         string     `json:"name,omitempty" doc:"what the person calls the contact, or the subject of the group"`
	Pinned       bool       `json:"pinned" doc:"it stays on top"`
	Archived     bool       `json:"archived" doc:"it is put away"`
	Muted        bool       `json:"muted" doc:"it makes no noise"`
	MutedUntil   *time.Time `json:"muted_until,omitempty" doc:"until when; for ever without"`
	MarkedUnread bool       `json:"marked_unread" doc:"somebody marked it as unread"`
	Messages     int        `json:"messages" doc:"how many there are"`
	Unread       int        `json:"unread" doc:"how many of them were not read"`
	Last         *time.Time `json:"last,omitempty" doc:"when the newest one came"`
}

type chatsBody struct {
	Chats []chatBody `json:"chats" doc:"the newest first"`
}

type contactRequest struct {
	Name string `json:"name" doc:"1 to 100 bytes" need:"yes"`
}

type starRequest struct {
	Starred *bool `json:"starred" doc:"whether the message has a star" need:"yes"`
}

type appStateEntry struct {
	Collection string          `json:"collection" doc:"critical_block, critical_unblock_low, regular_high, regular or regular_low"`
	Index      []string        `json:"index" doc:"what the entry is and what it is about"`
	Value      json.RawMessage `json:"value" doc:"as the protocol names it"`
	Version    uint64          `json:"version" doc:"of the collection when it came"`
	Device     uint16          `json:"device" doc:"who set it, 0 being the phone"`
	Time       time.Time       `json:"time" doc:"when"`
}

type appStateBody struct {
	Entries []appStateEntry `json:"entries" doc:"sorted by collection and index"`
}

func chatJSON(c phones.ChatInfo) chatBody {
	body := chatBody{
		JID: c.JID.String(), Name: c.Name, Pinned: c.Pinned, Archived: c.Archived, Muted: c.Muted, MarkedUnread: c.MarkedUnread,
		Messages: c.Messages, Unread: c.Unread,
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

// translateChat names the part of the path that says whom, which elsewhere is "to".
func translateChat(field string, err error) error {
	if err == nil {
		return nil
	}
	err = translate(err)
	if p, ok := err.(*problem); ok && p.field == "to" { //nolint:errorlint // translate returns it bare
		p.field = field
	}
	return err
}

func (a chatAPI) routes() []route {
	chat := exampleChat()
	return []route{
		{"/phones/{number}/chats", "chats of the phone", operations{
			"GET": {do: a.listChats, id: "listChats", says: "List the chats of a phone, the newest first.", out: chatsBody{[]chatBody{chat}}},
		}},
		{"/phones/{number}/chats/{chat}", "pin, archive, mute a chat, or mark it as read", operations{
			"PATCH": {do: a.changeChat, id: "changeChat", says: "Pin, archive or mute a chat, or mark it as read: linked devices are told.", in: chatChange{Pinned: new(true)}, status: http.StatusNoContent},
		}},
		{"/phones/{number}/contacts/{contact}", "call a contact something; forget them", operations{
			"PUT":    {do: a.nameContact, id: "nameContact", says: "Enter somebody in the phone's address book, or change their name there: linked devices are told.", in: contactRequest{"Bruno"}, status: http.StatusNoContent},
			"DELETE": {do: a.removeContact, id: "removeContact", says: "Remove somebody from the phone's address book.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/messages/{id}/star", "put a star on a message, or take it off", operations{
			"PUT": {do: a.starMessage, id: "starMessage", says: "Put a star on a message, or take it off: linked devices are told.", in: starRequest{new(true)}, status: http.StatusNoContent},
		}},
		{"/phones/{number}/app-state", "what the phone and its devices share, as the phone reads it", operations{
			"GET": {do: a.appState, id: "getAppState", says: "Get what a phone and its devices share: names, pins, mutes and the like, as the phone reads it.", out: appStateBody{[]appStateEntry{{
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
