package supervision

import (
	"time"

	"wasup/httpapi/wire"
)

type v1Supervision struct {
	Counts     v1SupervisionCounts `json:"counts"`
	Items      []v1Supervised      `json:"items"`
	Total      int                 `json:"total" doc:"Sessions that match, on all pages."`
	NextCursor string              `json:"next_cursor,omitempty" doc:"?cursor= of the next page; absent on the last one."`
}

type v1SupervisionCounts struct {
	Sessions    int            `json:"sessions"`
	Running     int            `json:"running" doc:"The number of sessions with a running actor."`
	Quarantined int            `json:"quarantined"`
	Restarts    int            `json:"restarts" doc:"Crashes since the process started, each followed by a restart or by quarantine."`
	States      map[string]int `json:"states" doc:"Sessions by state."`
}

type v1Supervised struct {
	ID               string       `json:"id"`
	State            wire.State   `json:"state"`
	Cause            wire.Cause   `json:"cause"`
	Desired          wire.Desired `json:"desired"`
	Running          bool         `json:"running" doc:"Its actor runs."`
	Quarantined      bool         `json:"quarantined" doc:"The session crashed too often (supervisor.restarts within supervisor.window). A person or the cool-down releases it."`
	Incarnation      uint64       `json:"incarnation"`
	Restarts         int          `json:"restarts" doc:"Crashes since the process started, each followed by a restart or by quarantine."`
	RestartsInWindow int          `json:"restarts_in_window" doc:"Crashes within supervisor.window, counted at the last crash."`
	NextRetryAt      time.Time    `json:"next_retry_at,omitzero"`
	LastCrash        *v1Crash     `json:"last_crash,omitempty"`
	Since            time.Time    `json:"since,omitzero"`
}

type v1Crash struct {
	At     time.Time `json:"at,omitzero"`
	Where  string    `json:"where"`
	Reason string    `json:"reason"`
	Stack  string    `json:"stack,omitempty" doc:"Only in the answer for one session."`
}
