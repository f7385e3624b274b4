package httpapi

import (
	"encoding/base64"
	"sort"
	"strings"

	"wasup/internal/session"
)

// The size of a page.
const (
	defaultPage = 50
	largestPage = 500
)

// v1List is GET /v1/sessions.
func v1List(s *Server, k *call) error {
	after, err := k.cursor()
	if err != nil {
		return err
	}
	all := s.deps.Slots.List()
	matching := make([]*session.Status, 0, len(all))
	for i := range all {
		if k.matches(&all[i]) {
			matching = append(matching, &all[i])
		}
	}
	page, next := pageOf(matching, after, k.integer("limit", defaultPage), func(status *session.Status) session.ID { return status.ID })
	answer := v1SessionList{Items: make([]v1Session, 0, len(page)), Total: len(matching), NextCursor: next}
	for _, status := range page {
		answer.Items = append(answer.Items, s.v1SessionOf(status))
	}
	return s.ok(k.Ctx, answer)
}

// matches applies the filters; each one that is there must hold.
func (k *call) matches(status *session.Status) bool {
	for name, want := range k.query {
		holds := true
		switch name {
		case "state":
			holds = string(status.State) == want
		case "cause":
			holds = string(status.Cause) == want
		case "desired":
			holds = string(status.Desired) == want
		case "q":
			want = strings.ToLower(want)
			holds = strings.HasPrefix(string(status.ID), want) || strings.HasPrefix(strings.ToLower(status.Settings.Name), want)
		}
		if !holds {
			return false
		}
	}
	for label, want := range k.labels {
		if value, has := status.Settings.Metadata[label]; !has || value != want {
			return false
		}
	}
	return true
}

// cursorPrefix tells a cursor of this version from anything else.
const cursorPrefix = "1:"

// cursor is the id after which the page begins, "" for the first page.
func (k *call) cursor() (session.ID, error) {
	text, given := k.query["cursor"]
	if !given {
		return "", nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		if name, ok := strings.CutPrefix(string(plain), cursorPrefix); ok {
			if id, err := session.ParseID(name); err == nil {
				return id, nil
			}
		}
	}
	return "", badField("cursor", "expected the next_cursor of an earlier answer")
}

// pageOf cuts a page out of items that are sorted by id. A page begins after an id and not at a position, so that
// sessions that come and go meanwhile neither repeat nor hide others.
func pageOf[T any](items []T, after session.ID, limit int, id func(T) session.ID) (page []T, next string) {
	from := sort.Search(len(items), func(i int) bool { return id(items[i]) > after })
	page = items[from:]
	if len(page) <= limit {
		return page, ""
	}
	page = page[:limit]
	return page, base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + string(id(page[limit-1]))))
}
