package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/calls"
	"wasup/internal/sandbox/channels"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/passkey"
	"wasup/internal/sandbox/phones"
	"wasup/internal/sandbox/profiles"
	"wasup/internal/sandbox/signal"
)

// problem is an error that the caller sees: its status and code, the field, and
// a message that says what was expected.
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

// invalid reports bad input in one field. The message says what was expected.
func invalid(field, format string, args ...any) *problem {
	return &problem{http.StatusBadRequest, "invalid", fmt.Sprintf(format, args...), field}
}

func notFound(code, field, format string, args ...any) *problem {
	return &problem{http.StatusNotFound, code, fmt.Sprintf(format, args...), field}
}

// known maps errors of the sandbox to problems. The texts are written here: an
// error's own text may contain more than a caller should see.
var known = []struct {
	err error
	problem
}{
	{sandbox.ErrRefUnknown, problem{http.StatusNotFound, "ref_unknown", "no client shows this code: it was scanned already, or its connection ended", "code"}},
	{sandbox.ErrRefExpired, problem{http.StatusGone, "ref_expired", "the code has expired; the client shows a newer one", "code"}},
	{sandbox.ErrCodeRetired, problem{http.StatusGone, "code_retired", "the server has retired this code; the client has to show it again with a new secret", "code"}},
	{sandbox.ErrBadVariant, problem{http.StatusBadRequest, "invalid", "expected refresh or rotate", "variant"}},
	{sandbox.ErrBadPairCode, problem{http.StatusBadRequest, "invalid", "expected 8 letters and digits, such as ABCD-1234", "code"}},
	{sandbox.ErrNoCode, problem{http.StatusNotFound, "code_unknown", "no client asked for a code for this number, or it does not any more", "code"}},
	{sandbox.ErrWrongCode, problem{http.StatusBadRequest, "wrong_code", "the client shows another code; after three wrong ones it has to ask for a new one", "code"}},
	{passkey.ErrMismatch, problem{http.StatusBadRequest, "passkey_mismatch", "expected a request for this account's passkey", "body"}},
	{sandbox.ErrPairBusy, problem{http.StatusConflict, "pair_busy", "another phone is pairing with this client", "code"}},
	{sandbox.ErrClientGone, problem{http.StatusConflict, "client_gone", "the client's connection ended meanwhile", ""}},
	{sandbox.ErrTooManyDevices, problem{http.StatusConflict, "too_many_devices", "the phone has no room for another device; unlink one", ""}},
	{accounts.ErrExists, problem{http.StatusConflict, "phone_exists", "there is a phone with this number", "number"}},
	{sandbox.ErrPhoneUnknown, problem{http.StatusNotFound, "phone_not_found", "there is no such phone; POST " + Prefix + "/phones adds one", "number"}},
	{phones.ErrRemoved, problem{http.StatusNotFound, "phone_not_found", "the phone was removed meanwhile", "number"}},
	{phones.ErrBadNumber, problem{http.StatusBadRequest, "invalid", "expected 7 to 15 digits, the first not 0", "number"}},
	{phones.ErrNameTooLong, problem{http.StatusBadRequest, "invalid", "expected at most 100 bytes", "name"}},
	{phones.ErrBadName, problem{http.StatusBadRequest, "invalid", "expected 1 to 100 bytes", "name"}},
	{phones.ErrBadMute, problem{http.StatusBadRequest, "invalid", "expected a duration over 0s, up to 10 years", "mute_for"}},
	{phones.ErrNoChange, problem{http.StatusBadRequest, "invalid", "expected pinned, archived, muted or read", "body"}},
	{phones.ErrNoContact, problem{http.StatusNotFound, "contact_not_found", "the phone has no such contact", "contact"}},
	{phones.ErrBadScript, problem{http.StatusBadRequest, "invalid", "expected read, echo, deliver, slow or silent", "script"}},
	{accounts.ErrUnknownDevice, problem{http.StatusNotFound, "device_not_found", "the phone has no such linked device", "jid"}},
	{accounts.ErrUnknownContact, problem{http.StatusNotFound, "not_on_whatsapp", "expected the number or JID of a phone of this sandbox", "to"}},
	{phones.ErrUnknownMessage, problem{http.StatusNotFound, "message_not_found", "the phone has no such message", "id"}},
	{phones.ErrBadText, problem{http.StatusBadRequest, "invalid", "expected 1 to 65536 bytes", "text"}},
	{calls.ErrUnknown, problem{http.StatusNotFound, "call_not_found", "the phone has no such call", "id"}},
	{calls.ErrState, problem{http.StatusConflict, "call_state", "the call is over, was taken already, or rings for others: only who is called takes a call, and only who placed or took it hangs up", "id"}},
	{calls.ErrSelf, problem{http.StatusBadRequest, "invalid", "expected somebody else", "to"}},
	{calls.ErrBadRing, problem{http.StatusBadRequest, "invalid", "expected a duration over 0s, up to 10m", "ring"}},
	{groups.ErrUnknown, problem{http.StatusNotFound, "group_not_found", "there is no such group", "jid"}},
	{groups.ErrNotInGroup, problem{http.StatusForbidden, "not_in_group", "the phone is not in this group", "jid"}},
	{groups.ErrNotAdmin, problem{http.StatusForbidden, "not_admin", "only admins of the group may do that", "jid"}},
	{groups.ErrBadSubject, problem{http.StatusBadRequest, "invalid", "expected 1 to 100 characters", "subject"}},
	{groups.ErrBadDescription, problem{http.StatusBadRequest, "invalid", "expected at most 2048 characters", "description"}},
	{groups.ErrBadExpiration, problem{http.StatusBadRequest, "invalid", "expected 0, 86400, 604800 or 7776000 seconds", "expiration"}},
	{groups.ErrBadAddressing, problem{http.StatusBadRequest, "invalid", "expected lid or pn", "addressing"}},
	{phones.ErrBadMemberChange, problem{http.StatusBadRequest, "invalid", "expected add, remove, promote or demote", "change"}},
	{groups.ErrMemberUnknown, problem{http.StatusNotFound, "member_not_found", "the group has no such member, or nobody waits there", "members"}},
	{groups.ErrOwnerStays, problem{http.StatusConflict, "owner_stays", "the creator of a group stays its admin", "members"}},
	{groups.ErrFull, problem{http.StatusConflict, "group_full", "the group would have more than 1024 members", "members"}},
	{groups.ErrInviteRevoked, problem{http.StatusGone, "link_revoked", "the link was revoked", "link"}},
	{groups.ErrInviteUnknown, problem{http.StatusNotFound, "link_unknown", "expected the invite link of a group of this sandbox", "link"}},
	{accounts.ErrBadAlias, problem{http.StatusBadRequest, "invalid", "expected numbers of 7 to 15 digits, the first not 0", "aliases"}},
	{accounts.ErrTooManyAliases, problem{http.StatusBadRequest, "invalid", "expected at most 8", "aliases"}},
	{accounts.ErrAliasTaken, problem{http.StatusConflict, "phone_exists", "expected numbers that no phone has", "aliases"}},
	{groups.ErrNotOwner, problem{http.StatusForbidden, "not_owner", "only the owner of the broadcast list may write to it", "to"}},
	{groups.ErrBroadcast, problem{http.StatusBadRequest, "invalid", "expected a phone or a group", "to"}},
	{groups.ErrNoRecipients, problem{http.StatusBadRequest, "invalid", "expected at least one", "recipients"}},
	{channels.ErrBadName, problem{http.StatusBadRequest, "invalid", "expected 1 to 100 characters", "name"}},
	{channels.ErrUnknown, problem{http.StatusNotFound, "channel_not_found", "there is no such channel", "to"}},
	{channels.ErrNotOwner, problem{http.StatusForbidden, "not_owner", "only the owner of the channel may do that", "to"}},
	{channels.ErrUnknownPost, problem{http.StatusNotFound, "post_not_found", "the channel has no such post", "target"}},
	{phones.ErrBadDelay, problem{http.StatusBadRequest, "invalid", "expected a duration over 0s, up to 10m", "delay"}},
	{phones.ErrBadAbsence, problem{http.StatusBadRequest, "invalid", "expected a duration over 0s, up to 24h", "offline_for"}},
	{phones.ErrOffline, problem{http.StatusConflict, "phone_offline", "the phone is switched off", ""}},
	{media.ErrTooLarge, problem{http.StatusRequestEntityTooLarge, "too_large", "the file is larger than the sandbox takes", "media"}},
	{media.ErrGone, problem{http.StatusGone, "media_gone", "the file was taken away from the server", "id"}},
	{media.ErrUnknown, problem{http.StatusNotFound, "media_not_found", "there is no such file", "id"}},
	{media.ErrBadCode, problem{http.StatusBadRequest, "invalid", "expected 403, 404 or 410", "code"}},
	{profiles.ErrBadAbout, problem{http.StatusBadRequest, "invalid", "expected at most 139 characters", "about"}},
	{profiles.ErrBadPicture, problem{http.StatusBadRequest, "invalid", "expected a JPEG of at most 1 MiB", "body"}},
	{phones.ErrBadChatState, problem{http.StatusBadRequest, "invalid", "expected composing, recording or paused", "state"}},
	{sandbox.ErrBadSpeed, problem{http.StatusBadRequest, "invalid", "expected more than 0, at most 1000", "speed"}},
	{sandbox.ErrUnknownScenario, problem{http.StatusNotFound, "scenario_not_found", "no such scenario is or was played", "id"}},
	{sandbox.ErrTooManyScenarios, problem{http.StatusConflict, "too_many_scenarios", "eight scenarios are played already; stop one", ""}},
	{sandbox.ErrNotRunning, problem{http.StatusConflict, "not_running", "the server is restarting already, or closed", ""}},
	{context.DeadlineExceeded, problem{http.StatusGatewayTimeout, "timeout", "the client did not answer in time", ""}},
}

// translate turns an error of the sandbox into a problem. An unknown error is
// returned unchanged, and refuse answers it with 500 and without its text.
func translate(err error) error {
	var fault *faults.Error
	var code *signal.LinkCodeError
	var message *phones.OutgoingError
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
		// The text contains the client's own reason, such as hmac-mismatch.
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

// translateAs is translate for a request whose fields have other names: from and to alternate in fields.
func translateAs(err error, fields ...string) error {
	err = translate(err)
	p, ok := err.(*problem) //nolint:errorlint // translate returns it bare
	if !ok {
		return err
	}
	for i := 0; i < len(fields); i += 2 {
		if p.field == fields[i] {
			p.field = fields[i+1]
			break
		}
	}
	return p
}

// faultField returns the JSON field for a field of faults.Error, which calls
// account and device together the scope.
func faultField(name string) string {
	if name == "scope" {
		return "account"
	}
	return name
}
