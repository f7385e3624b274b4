package admin

import (
	"net/http"
	"strings"

	"wasup/sandbox"
)

// drop cuts live connections with a TCP reset.
func (a *api) drop(r *http.Request) (int, any, error) {
	var in dropRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, connectionsBody{a.server.DropTCP(selection(in.Account, in.Device))}, nil
}

// streamError ends live connections as WhatsApp ends them: with a code and, for
// some, the reason of a conflict.
func (a *api) streamError(r *http.Request) (int, any, error) {
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
		return 0, nil, invalid("conflict", "expected replaced, device_removed or another word of small letters and underscores")
	}
	closeAfter := in.Close == nil || *in.Close
	reached := a.server.StreamError(selection(in.Account, in.Device), in.Code, in.Conflict, closeAfter)
	return http.StatusOK, connectionsBody{reached}, nil
}

func selection(account, device string) sandbox.Select {
	return sandbox.Select{Account: strings.TrimPrefix(account, "+"), Device: device}
}
