package webhooks

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"wasup/httpapi/wire"
	"wasup/internal/events"
	"wasup/internal/webhooks"
)

// The JSON of webhooks.

type v1Webhook struct {
	ID          string            `json:"id"`
	SessionID   string            `json:"session_id,omitempty" doc:"The session whose events it gets. Absent: events of every session."`
	URL         string            `json:"url"`
	Description string            `json:"description,omitempty"`
	Events      []v1WebhookEvent  `json:"events" doc:"The types of events that it gets; * means all."`
	Headers     map[string]string `json:"headers,omitempty" doc:"Headers of its own. Their values are never shown."`
	Active      bool              `json:"active" doc:"false: its events wait until it is made active."`
	Disabled    string            `json:"disabled_reason,omitempty" doc:"Why wasup switched it off. gone: the receiver answered 410."`
	OldSecret   time.Time         `json:"old_secret_until,omitzero" doc:"Until this time requests are signed with the previous secret too."`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	Secret      string            `json:"secret,omitempty" doc:"Signs each request. Shown only once, when it is created or rotated."`
	Status      *v1WebhookStatus  `json:"status,omitempty" doc:"Only in the answer for one webhook."`
}

type v1WebhookStatus struct {
	State       v1WebhookState     `json:"state"`
	Backlog     int                `json:"backlog" doc:"Events that wait to be delivered."`
	Sessions    int                `json:"sessions_behind" doc:"Sessions that have events waiting."`
	Oldest      time.Time          `json:"oldest_undelivered_at,omitzero" doc:"When the oldest waiting event happened."`
	Failing     time.Time          `json:"failing_since,omitzero" doc:"Since when no attempt has succeeded."`
	Failures    int                `json:"failures" doc:"Failed attempts in a row."`
	NextAttempt time.Time          `json:"next_attempt_at,omitzero" doc:"When the next attempt is, if all events wait for it."`
	Dead        int                `json:"dead_letters"`
	Missed      int                `json:"missed_events" doc:"Events that retention removed before they could be delivered."`
	Gaps        []v1WebhookGap     `json:"gaps,omitempty" nullable:"false" doc:"The newest 20 gaps."`
	Last        *v1WebhookDelivery `json:"last_attempt,omitempty" doc:"Since the process started."`
}

type v1WebhookGap struct {
	SessionID string     `json:"session_id"`
	First     uint64     `json:"first_seq" doc:"The number of the first missed event in its session."`
	Last      uint64     `json:"last_seq"`
	Count     int        `json:"missed" doc:"Counts only events that the webhook wants."`
	From      time.Time  `json:"from" doc:"When the first missed event happened."`
	To        time.Time  `json:"to"`
	At        time.Time  `json:"removed_at"`
	State     v1GapState `json:"state" doc:"Whether the receiver got a webhook.gap notice."`
}

type v1WebhookList struct {
	Items      []v1Webhook `json:"items"`
	Total      int         `json:"total" doc:"Webhooks on all pages."`
	NextCursor string      `json:"next_cursor,omitempty" doc:"?cursor= of the next page; absent on the last one."`
}

type v1WebhookNew struct {
	SessionID   string            `json:"session_id,omitempty" pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" doc:"Only events of this session. If it is left out: events of every session, including sessions created later."`
	URL         string            `json:"url" maxLength:"2000" doc:"An http or https URL without user and password. Addresses in private networks are refused unless the configuration allows them."`
	Description string            `json:"description,omitempty" maxLength:"200" doc:"A description for people."`
	Events      []v1WebhookEvent  `json:"events,omitempty" nullable:"false" minItems:"1" maxItems:"50" doc:"The types of events that it gets. If it is left out, or *: all."`
	Headers     map[string]string `json:"headers,omitempty" maxProperties:"20" doc:"Headers to send with each request, such as Authorization."`
	Secret      string            `json:"secret,omitempty" maxLength:"100" doc:"whsec_ and 24 to 64 random bytes in base64. If it is left out, wasup generates one."`
	Active      *bool             `json:"active,omitempty" doc:"false: its events wait until it is made active. Default true."`
	From        string            `json:"from,omitempty" pattern:"^(now|beginning|[1-9][0-9]{0,17})$" doc:"Where it begins: now (the default), beginning (the oldest event in the log), or a number (that event of the session)."`
}

// v1SessionWebhookNew is v1WebhookNew without the session, which the path has.
type v1SessionWebhookNew struct {
	URL         string            `json:"url" maxLength:"2000" doc:"An http or https URL without user and password. Addresses in private networks are refused unless the configuration allows them."`
	Description string            `json:"description,omitempty" maxLength:"200" doc:"A description for people."`
	Events      []v1WebhookEvent  `json:"events,omitempty" nullable:"false" minItems:"1" maxItems:"50" doc:"The types of events that it gets. If it is left out, or *: all."`
	Headers     map[string]string `json:"headers,omitempty" maxProperties:"20" doc:"Headers to send with each request, such as Authorization."`
	Secret      string            `json:"secret,omitempty" maxLength:"100" doc:"whsec_ and 24 to 64 random bytes in base64. If it is left out, wasup generates one."`
	Active      *bool             `json:"active,omitempty" doc:"false: its events wait until it is made active. Default true."`
	From        string            `json:"from,omitempty" pattern:"^(now|beginning|[1-9][0-9]{0,17})$" doc:"Where it begins: now (the default), beginning (the oldest event in the log), or a number (that event of the session)."`
}

type v1WebhookPatch struct {
	URL         *string            `json:"url,omitempty" maxLength:"2000"`
	Description *string            `json:"description,omitempty" nullable:"true" maxLength:"200" doc:"null removes it."`
	Events      []v1WebhookEvent   `json:"events,omitempty" nullable:"false" minItems:"1" maxItems:"50" doc:"Replaces the present types."`
	Headers     map[string]*string `json:"headers,omitempty" nullable:"true" maxProperties:"50" doc:"Merged with the present headers. null for a header removes it; null instead of an object removes all. A masked value, as shown, keeps the header."`
	Active      *bool              `json:"active,omitempty" doc:"false pauses it, true resumes it where it stopped."`
}

type v1WebhookRotation struct {
	Secret string `json:"secret,omitempty" maxLength:"100" doc:"whsec_ and 24 to 64 random bytes in base64. If it is left out, wasup generates one."`
}

type v1WebhookDelivery struct {
	Number    uint64           `json:"number,omitempty" doc:"Numbers the webhook's attempts."`
	SessionID string           `json:"session_id,omitempty"`
	Seq       uint64           `json:"seq,omitempty" doc:"The event's number in its session."`
	Pos       uint64           `json:"pos,omitempty" doc:"The event's position in the log."`
	Type      v1WebhookEvent   `json:"type"`
	At        time.Time        `json:"at"`
	Attempt   int              `json:"attempt" doc:"The attempt at this event: 1, 2, 3, …"`
	Outcome   v1WebhookOutcome `json:"outcome"`
	Status    int              `json:"status,omitempty" doc:"The HTTP status. Absent if there was no answer."`
	Duration  float64          `json:"duration_ms"`
	Error     string           `json:"error,omitempty" doc:"One line for people; it may quote the receiver."`
}

type v1WebhookDeliveries struct {
	Items      []v1WebhookDelivery `json:"items"`
	NextCursor string              `json:"next_cursor,omitempty" doc:"?cursor= of the next page; absent on the last one."`
}

type v1DeadLetter struct {
	SessionID string          `json:"session_id"`
	Seq       uint64          `json:"seq" doc:"The event's number in its session."`
	Pos       uint64          `json:"pos" doc:"The event's position in the log."`
	Type      v1WebhookEvent  `json:"type"`
	At        time.Time       `json:"timestamp" doc:"When the event happened."`
	Data      json.RawMessage `json:"data" doc:"The event's data, even if the log no longer has the event."`
	Attempts  int             `json:"attempts"`
	Status    int             `json:"status,omitempty" doc:"The HTTP status of the last attempt. Absent if there was no answer."`
	Error     string          `json:"error,omitempty" doc:"The error of the last attempt."`
	DiedAt    time.Time       `json:"died_at"`
	Requeued  bool            `json:"requeued" doc:"It will be tried again."`
}

type v1DeadLetters struct {
	Items      []v1DeadLetter `json:"items"`
	NextCursor string         `json:"next_cursor,omitempty" doc:"?cursor= of the next page; absent on the last one."`
}

// v1DeadChoice selects dead letters.
type v1DeadChoice struct {
	SessionID string `json:"session_id,omitempty" pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" doc:"Only dead letters of this session."`
	Pos       uint64 `json:"pos,omitempty" minimum:"1" doc:"Only the dead letter at this position of the log."`
}

type v1Replay struct {
	SessionID string    `json:"session_id,omitempty" pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" doc:"Only events of this session. If it is left out: events of every session that the webhook is for."`
	Seq       uint64    `json:"seq,omitempty" minimum:"1" doc:"From this event of the session on. Needs session_id."`
	Since     time.Time `json:"since,omitzero" doc:"From this time on. Without this and seq: from the oldest event in the log."`
}

type v1Replayed struct {
	Sessions []string `json:"sessions" doc:"The sessions whose events are sent again."`
}

type v1Count struct {
	Count int `json:"count"`
}

type (
	v1WebhookEvent   string
	v1WebhookState   string
	v1WebhookOutcome string
	v1GapState       string
)

// everyEvent means all types of events.
const everyEvent v1WebhookEvent = "*"

func (v1WebhookEvent) Schema(huma.Registry) *huma.Schema {
	return wire.OneOf(append([]events.Type{events.Type(everyEvent), events.TypeTest, events.TypeGap}, events.Types()...))
}

func (v1WebhookState) Schema(huma.Registry) *huma.Schema {
	return wire.OneOf([]v1WebhookState{hookDelivering, hookFailing, hookPaused, hookDisabled})
}

func (v1WebhookOutcome) Schema(huma.Registry) *huma.Schema {
	return wire.OneOf(webhooks.Outcomes())
}

func (v1GapState) Schema(huma.Registry) *huma.Schema { return wire.OneOf(events.GapStates()) }

// The states of a webhook.
const (
	hookDelivering v1WebhookState = "delivering"
	hookFailing    v1WebhookState = "failing" // the last attempt failed
	hookPaused     v1WebhookState = "paused"
	hookDisabled   v1WebhookState = "disabled" // wasup switched the webhook off
)
