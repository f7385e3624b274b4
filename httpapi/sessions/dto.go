package sessions

import "wasup/httpapi/wire"

type v1SessionList struct {
	Items      []wire.Session `json:"items"`
	Total      int            `json:"total" doc:"Sessions that match, on all pages."`
	NextCursor string         `json:"next_cursor,omitempty" doc:"?cursor= of the next page; absent on the last one."`
}

type v1SessionNew struct {
	ID       string            `json:"id,omitempty" pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" doc:"1 to 64 of a-z, 0-9, '_', '-', beginning with a letter or a digit. If it is left out, wasup generates one."`
	Name     string            `json:"name,omitempty" maxLength:"100" doc:"A name for people."`
	Metadata map[string]string `json:"metadata,omitempty" maxProperties:"50" doc:"The caller's own labels: keys of 1 to 64 of A-Z, a-z, 0-9, '_', '.', '-'; values of at most 500 bytes."`
	Proxy    string            `json:"proxy,omitempty" maxLength:"1000" doc:"An http, https or socks5 URL, with credentials if needed. The session never connects without this proxy."`
	Start    bool              `json:"start,omitempty" doc:"Start it at once. Otherwise it starts with the first request for a code, or with POST …/start."`
}

type v1SessionPatch struct {
	Name     *string            `json:"name,omitempty" nullable:"true" maxLength:"100" doc:"null removes it."`
	Metadata map[string]*string `json:"metadata,omitempty" nullable:"true" maxProperties:"50" doc:"Merged with the present metadata. null for a key removes the key; null instead of an object removes all."`
	Proxy    *string            `json:"proxy,omitempty" nullable:"true" maxLength:"1000" doc:"null removes it. A running session is restarted, so that it leaves the old proxy at once."`
}
