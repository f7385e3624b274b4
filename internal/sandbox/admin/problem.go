package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/signal"
)

// problem is an error that the caller is told: what is wrong, in which field, and
// what was expected.
type problem struct {
	status  int
	code    string
	message string
	field   string
}

func (p *problem) Error() string {
	if p.field == "" {
		return p.code + ": " + p.message
	}
	return fmt.Sprintf("%s: %s: %s", p.code, p.field, p.message)
}

// invalid is bad input in one field; the message says what was expected.
func invalid(field, format string, args ...any) *problem {
	return &problem{http.StatusBadRequest, "invalid", fmt.Sprintf(format, args...), field}
}

func notFound(code, field, format string, args ...any) *problem {
	return &problem{http.StatusNotFound, code, fmt.Sprintf(format, args...), field}
}

// known maps what the sandbox may answer to what the caller is told. The texts
// are this package's: an error's own text may hold more than a caller should see.
var known = []struct {
	err error
	problem
}{
	{sandbox.ErrRefUnknown, problem{http.StatusNotFound, "ref_unknown", "no client shows this code: it was scanned already, or its connection ended", "code"}},
	{sandbox.ErrRefExpired, problem{http.StatusGone, "ref_expired", "the code has expired; the client shows a newer one", "code"}},
	{sandbox.ErrBadPairCode, problem{http.StatusBadRequest, "invalid", "expected 8 letters and digits, such as ABCD-1234", "code"}},
	{sandbox.ErrNoCode, problem{http.StatusNotFound, "code_unknown", "no client asked for a code for this number, or it does not any more", "code"}},
	{sandbox.ErrWrongCode, problem{http.StatusBadRequest, "wrong_code", "the client shows another code; after three wrong ones it has to ask for a new one", "code"}},
	{sandbox.ErrPasskeyMismatch, problem{http.StatusBadRequest, "passkey_mismatch", "expected a request for this account's passkey", "body"}},
	{sandbox.ErrPairBusy, problem{http.StatusConflict, "pair_busy", "another phone is pairing with this client", "code"}},
	{sandbox.ErrClientGone, problem{http.StatusConflict, "client_gone", "the client's connection ended meanwhile", ""}},
	{sandbox.ErrTooManyDevices, problem{http.StatusConflict, "too_many_devices", "the phone has no room for another device; unlink one", ""}},
	{sandbox.ErrPhoneExists, problem{http.StatusConflict, "phone_exists", "there is a phone with this number", "number"}},
	{sandbox.ErrPhoneUnknown, problem{http.StatusNotFound, "phone_not_found", "there is no such phone; POST " + Prefix + "/phones adds one", "number"}},
	{sandbox.ErrPhoneRemoved, problem{http.StatusNotFound, "phone_not_found", "the phone was removed meanwhile", "number"}},
	{sandbox.ErrBadNumber, problem{http.StatusBadRequest, "invalid", "expected 7 to 15 digits, the first not 0", "number"}},
	{sandbox.ErrNameTooLong, problem{http.StatusBadRequest, "invalid", "expected at most 100 bytes", "name"}},
	{sandbox.ErrBadName, problem{http.StatusBadRequest, "invalid", "expected 1 to 100 bytes", "name"}},
	{sandbox.ErrBadMute, problem{http.StatusBadRequest, "invalid", "expected a duration over 0s, up to 10 years", "mute_for"}},
	{sandbox.ErrNoChange, problem{http.StatusBadRequest, "invalid", "expected pinned, archived, muted or read", "body"}},
	{sandbox.ErrNoContact, problem{http.StatusNotFound, "contact_not_found", "the phone has no such contact", "contact"}},
	{sandbox.ErrBadScript, problem{http.StatusBadRequest, "invalid", "expected read, echo, deliver, slow or silent", "script"}},
	{sandbox.ErrUnknownDevice, problem{http.StatusNotFound, "device_not_found", "the phone has no such linked device", "jid"}},
	{sandbox.ErrUnknownContact, problem{http.StatusNotFound, "not_on_whatsapp", "expected the number or JID of a phone of this sandbox", "to"}},
	{sandbox.ErrUnknownMessage, problem{http.StatusNotFound, "message_not_found", "the phone has no such message", "id"}},
	{sandbox.ErrBadText, problem{http.StatusBadRequest, "invalid", "expected 1 to 65536 bytes", "text"}},
	{sandbox.ErrUnknownCall, problem{http.StatusNotFound, "call_not_found", "the phone has no such call", "id"}},
	{sandbox.ErrCallState, problem{http.StatusConflict, "call_state", "the call is over, was taken already, or rings for others: only who is called takes a call, and only who placed or took it hangs up", "id"}},
	{sandbox.ErrCallSelf, problem{http.StatusBadRequest, "invalid", "expected somebody else", "to"}},
	{sandbox.ErrBadRing, problem{http.StatusBadRequest, "invalid", "expected a duration over 0s, up to 10m", "ring"}},
	{sandbox.ErrUnknownGroup, problem{http.StatusNotFound, "group_not_found", "there is no such group", "jid"}},
	{sandbox.ErrNotInGroup, problem{http.StatusForbidden, "not_in_group", "the phone is not in this group", "jid"}},
	{sandbox.ErrNotAdmin, problem{http.StatusForbidden, "not_admin", "only admins of the group may do that", "jid"}},
	{sandbox.ErrBadSubject, problem{http.StatusBadRequest, "invalid", "expected 1 to 100 characters", "subject"}},
	{sandbox.ErrBadDescription, problem{http.StatusBadRequest, "invalid", "expected at most 2048 characters", "description"}},
	{sandbox.ErrBadExpiration, problem{http.StatusBadRequest, "invalid", "expected 0, 86400, 604800 or 7776000 seconds", "expiration"}},
	{sandbox.ErrBadAddressing, problem{http.StatusBadRequest, "invalid", "expected lid or pn", "addressing"}},
	{sandbox.ErrBadMemberChange, problem{http.StatusBadRequest, "invalid", "expected add, remove, promote or demote", "change"}},
	{sandbox.ErrMemberUnknown, problem{http.StatusNotFound, "member_not_found", "the group has no such member, or nobody waits there", "members"}},
	{sandbox.ErrOwnerStays, problem{http.StatusConflict, "owner_stays", "the creator of a group stays its admin", "members"}},
	{sandbox.ErrGroupFull, problem{http.StatusConflict, "group_full", "the group would have more than 1024 members", "members"}},
	{sandbox.ErrInviteRevoked, problem{http.StatusGone, "link_revoked", "the link was revoked", "link"}},
	{sandbox.ErrInviteUnknown, problem{http.StatusNotFound, "link_unknown", "expected the invite link of a group of this sandbox", "link"}},
	{sandbox.ErrBadDelay, problem{http.StatusBadRequest, "invalid", "expected a duration over 0s, up to 10m", "delay"}},
	{sandbox.ErrBadAbsence, problem{http.StatusBadRequest, "invalid", "expected a duration over 0s, up to 24h", "offline_for"}},
	{sandbox.ErrPhoneOffline, problem{http.StatusConflict, "phone_offline", "the phone is switched off", ""}},
	{sandbox.ErrMediaTooLarge, problem{http.StatusRequestEntityTooLarge, "too_large", "the file is larger than the sandbox takes", "media"}},
	{sandbox.ErrMediaGone, problem{http.StatusGone, "media_gone", "the file was taken away from the server", "id"}},
	{sandbox.ErrUnknownMedia, problem{http.StatusNotFound, "media_not_found", "there is no such file", "id"}},
	{sandbox.ErrBadMediaCode, problem{http.StatusBadRequest, "invalid", "expected 403, 404 or 410", "code"}},
	{sandbox.ErrBadAbout, problem{http.StatusBadRequest, "invalid", "expected at most 139 characters", "about"}},
	{sandbox.ErrBadPicture, problem{http.StatusBadRequest, "invalid", "expected a JPEG of at most 1 MiB", "body"}},
	{sandbox.ErrBadChatState, problem{http.StatusBadRequest, "invalid", "expected composing, recording or paused", "state"}},
	{sandbox.ErrBadSpeed, problem{http.StatusBadRequest, "invalid", "expected more than 0, at most 1000", "speed"}},
	{sandbox.ErrUnknownScenario, problem{http.StatusNotFound, "scenario_not_found", "no such scenario is or was played", "id"}},
	{sandbox.ErrTooManyScenarios, problem{http.StatusConflict, "too_many_scenarios", "eight scenarios are played already; stop one", ""}},
	{sandbox.ErrNotRunning, problem{http.StatusConflict, "not_running", "the server is restarting already, or closed", ""}},
	{context.DeadlineExceeded, problem{http.StatusGatewayTimeout, "timeout", "the client did not answer in time", ""}},
}

// translate turns the errors of the sandbox into problems. What it does not know
// stays as it is and becomes a 500 without its text.
func translate(err error) error {
	var fault *sandbox.FaultError
	var code *signal.LinkCodeError
	var message *sandbox.OutgoingError
	switch {
	case errors.As(err, &fault):
		return invalid(faultField(fault.Field), "%s", fault.Reason)
	case errors.As(err, &message):
		return invalid(message.Field, "%s", message.Reason)
	case errors.As(err, &code):
		return &problem{http.StatusBadRequest, "bad_code", fmt.Sprintf("%s: expected %s", code.Part, code.Want), "code"}
	case errors.Is(err, sandbox.ErrBadCode):
		return &problem{http.StatusBadRequest, "bad_code", "the keys in the code are not those of the client that shows it", "code"}
	case errors.Is(err, sandbox.ErrPairRefused):
		// The text is the client's own reason, such as hmac-mismatch.
		return &problem{http.StatusConflict, "pair_refused", err.Error(), ""}
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			p := k.problem
			return &p
		}
	}
	return err
}

// faultField names the JSON field: the sandbox calls account and device together
// the scope.
func faultField(name string) string {
	if name == "scope" {
		return "account"
	}
	return name
}
