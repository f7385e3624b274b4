package apitest

import (
	"context"
	"time"

	"wasup/internal/session"
)

// Now is the time of the servers' clock, which stands still.
var Now = time.Date(2026, 1, 4, 12, 33, 56, 0, time.UTC)

// Full is a status in which every field has a value.
func Full() session.Status {
	at := func(minutes int) time.Time { return Now.Add(time.Duration(minutes) * time.Minute) }
	return session.Status{
		ID: "shop", State: session.DisconnectedRecoverable, Cause: session.CauseSocketLost, Desired: session.DesiredRun, Since: at(-1),
		Incarnation: 7, Failures: 2, MaxAttempts: 10, RetryAt: at(1), Until: at(60), Restricted: at(90),
		Restarts: 3, HasDevice: true,
		Settings:  session.Settings{Name: "Shop", Metadata: map[string]string{"team": "a", "tier": "gold"}, Proxy: "socks5://ana:secret@proxy.example:1080"},
		Account:   session.Account{JID: "5491100000000:12@s.whatsapp.net", LID: "123456789:12@lid", PushName: "Ana"},
		CreatedAt: at(-1000), UpdatedAt: at(-1),
		Past: session.Past{LastError: "the socket was closed", LastCause: session.CauseSocketLost, ConnectedAt: at(-10), DisconnectAt: at(-1)},
	}
}

// Plain is a session with a state, a cause and few other values.
func Plain(id session.ID, state session.State, cause session.Cause) session.Status {
	return session.Status{ID: id, State: state, Cause: cause, Desired: session.DesiredRun, Past: session.Past{LastCause: session.CauseNone}, CreatedAt: Now, UpdatedAt: Now, Since: Now}
}

// Pairing is a session with a code that waits for the scan.
func Pairing(id session.ID) session.Status {
	return WithCode(Plain(id, session.QRRequired, session.CausePairing), time.Minute)
}

// Behind makes a Scripted with these sessions.
func Behind(all ...session.Status) Scripted {
	f := Scripted{Statuses: make(map[session.ID]session.Status)}
	for _, s := range all {
		f.Statuses[s.ID] = s
	}
	// Verbs and changes return a snapshot that shows what they were asked to do.
	f.Settle = func(_ context.Context, verb string, id session.ID, settings session.Settings) (session.Status, error) {
		status, known := f.Statuses[id]
		switch verb {
		case "create", "create and start":
			if known {
				return status, &session.Error{Code: session.CodeExists, Op: verb, Session: id}
			}
			status = Plain(id, session.NotInitialized, session.CauseNone)
			status.Desired, status.Settings = session.DesiredStop, settings
			if verb == "create and start" {
				status.State, status.Cause, status.Desired = session.Initializing, session.CauseStarting, session.DesiredRun
			}
		case "update":
			status.Settings = settings
		case "stop":
			status = Plain(id, session.NotInitialized, session.CauseStopped)
			status.Desired = session.DesiredStop
		case "restart":
			status = Plain(id, session.Initializing, session.CauseStarting)
		case "logout":
			status = Plain(id, session.DisconnectedLogout, session.CauseLoggedOut)
			status.Desired = session.DesiredStop
		}
		return status, nil
	}
	f.Starting = func(_ context.Context, id session.ID) (session.Status, bool, error) {
		return Plain(id, session.Initializing, session.CauseStarting), false, nil
	}
	return f
}

const JSONBody = "Content-Type: application/json"
