package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"wasup/httpapi/chats"
	"wasup/httpapi/compat"
	"wasup/httpapi/events"
	"wasup/httpapi/linking"
	"wasup/httpapi/media"
	"wasup/httpapi/messages"
	"wasup/httpapi/rest"
	"wasup/httpapi/sessions"
	"wasup/httpapi/supervision"
	"wasup/httpapi/webhooks"
	"wasup/internal/session"
)

// Sessions are the supervised sessions. Every method is safe for concurrent use.
type Sessions interface {
	rest.Sessions
	// Start starts the session and does not wait until it is connected. already reports that it ran before the call.
	Start(ctx context.Context, id session.ID) (status session.Status, already bool, err error)
}

// Deps is everything that the routes need from the rest of the process. All fields are required.
type Deps struct {
	Sessions    Sessions
	Slots       sessions.Slots
	Supervision supervision.Supervisor
	Links       linking.Links
	Live        events.Log
	Received    media.Received
	Sender      compat.Sender
	Messages    messages.Outbox
	Files       messages.Files
	Door        session.Door // reaches the clients of READY sessions
	Contacts    chats.Contacts
	Webhooks    webhooks.Registry
	Deliveries  webhooks.Deliveries
	Pictures    linking.Pictures
	Health      compat.Health
	Observer    rest.Observer
	Metrics     http.Handler // answers GET /metrics
	Version     string       // the binary's version, shown by GET / and GET /health
	Log         *slog.Logger
}

func (d Deps) validate() error {
	missing := []struct {
		field string
		empty bool
	}{
		{"Sessions", d.Sessions == nil},
		{"Slots", d.Slots == nil},
		{"Supervision", d.Supervision == nil},
		{"Links", d.Links == nil},
		{"Live", d.Live == nil},
		{"Received", d.Received == nil},
		{"Sender", d.Sender == nil},
		{"Messages", d.Messages == nil},
		{"Files", d.Files == nil},
		{"Door", d.Door == nil},
		{"Contacts", d.Contacts == nil},
		{"Webhooks", d.Webhooks == nil},
		{"Deliveries", d.Deliveries == nil},
		{"Pictures", d.Pictures == nil},
		{"Health", d.Health == nil},
		{"Observer", d.Observer == nil},
		{"Metrics", d.Metrics == nil},
		{"Version", d.Version == ""},
		{"Log", d.Log == nil},
	}
	var errs []error
	for _, m := range missing {
		if m.empty {
			errs = append(errs, fmt.Errorf("httpapi: Deps.%s is missing", m.field))
		}
	}
	return errors.Join(errs...)
}
