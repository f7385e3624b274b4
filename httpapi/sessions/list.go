package sessions

import (
	"strings"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/session"
)

// list is GET /v1/sessions.
func (r *Resource) list(k *rest.Call) error {
	after, err := k.Cursor()
	if err != nil {
		return err
	}
	all := r.slots.List()
	matching := make([]*session.Status, 0, len(all))
	for i := range all {
		if matches(k, &all[i]) {
			matching = append(matching, &all[i])
		}
	}
	page, next := rest.PageOf(matching, after, k.Integer("limit", rest.DefaultPage), func(status *session.Status) session.ID { return status.ID })
	answer := v1SessionList{Items: make([]wire.Session, 0, len(page)), Total: len(matching), NextCursor: next}
	for _, status := range page {
		answer.Items = append(answer.Items, wire.SessionOf(status, r.host.Now()))
	}
	return k.OK(answer)
}

// matches reports whether a session matches all filters of the call.
func matches(k *rest.Call, status *session.Status) bool {
	for name, want := range k.Query {
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
	for label, want := range k.Labels {
		if value, has := status.Settings.Metadata[label]; !has || value != want {
			return false
		}
	}
	return true
}
