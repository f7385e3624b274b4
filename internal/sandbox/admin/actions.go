package admin

import (
	"net/http"
	"strings"
	"time"

	"wasup/internal/sandbox/faults"
)

// drop resets live connections (TCP RST).
func (a faultAPI) drop(r *http.Request) (int, any, error) {
	var in selectRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, connectionsBody{a.server.DropTCP(in.selection())}, nil
}

// closeConnections closes live connections in an orderly way.
func (a faultAPI) closeConnections(r *http.Request) (int, any, error) {
	var in selectRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, connectionsBody{a.server.CloseConnections(in.selection())}, nil
}

// halfOpen leaves live connections half open.
func (a faultAPI) halfOpen(r *http.Request) (int, any, error) {
	var in selectRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, connectionsBody{a.server.HalfOpen(in.selection())}, nil
}

// restart stops the WebSocket server and starts it again. The admin API stays up.
func (a faultAPI) restart(r *http.Request) (int, any, error) {
	var in restartRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	down, err := readDuration("down", in.Down)
	switch {
	case err != nil:
		return 0, nil, err
	case down < 0 || down > maxDown:
		return 0, nil, invalid("down", "expected a duration from 0s to 2m")
	}
	if err := a.server.Restart(r.Context(), down, !in.Forget); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

// maxDown is the longest time that a restart may take the server away: the request waits for it.
const maxDown = 2 * time.Minute

// retireCode retires the secret in a code that a client shows.
func (a faultAPI) retireCode(r *http.Request) (int, any, error) {
	var in retireRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	if err := a.server.RetireCode(in.Code, in.Variant); err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusNoContent, nil, nil
}

// streamError ends live connections as WhatsApp does: with a code, the reason of
// a conflict, or both.
func (a faultAPI) streamError(r *http.Request) (int, any, error) {
	var in streamErrorRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	switch {
	case in.Code != 0 && (in.Code < 100 || in.Code > 999):
		return 0, nil, invalid("code", "expected a code from 100 to 999, such as 503 or 515; 401 with the conflict device_removed unlinks")
	case in.Code == 0 && in.Conflict == "":
		return 0, nil, invalid("code", "expected a code, a conflict or both")
	case !conflictPattern.MatchString(in.Conflict):
		return 0, nil, invalid("conflict", "expected replaced, device_removed or another word of lower-case letters and underscores")
	}
	closeAfter := in.Close == nil || *in.Close
	reached := a.server.StreamError(in.selection(), in.Code, in.Conflict, closeAfter)
	return http.StatusOK, connectionsBody{reached}, nil
}

func (in selectRequest) selection() faults.Select {
	return faults.Select{Account: strings.TrimPrefix(in.Account, "+"), Device: in.Device, Conn: in.Conn}
}
