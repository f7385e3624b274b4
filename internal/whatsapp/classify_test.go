package whatsapp

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/session"
)

var (
	testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	testJID = types.JID{User: "5491100000000", Device: 12, Server: types.DefaultUserServer}
	testLID = types.JID{User: "123456789012345", Device: 12, Server: types.HiddenUserServer}
)

func TestEveryEventOfASessionsLifeHasItsInput(t *testing.T) {
	cases := []struct {
		name string
		evt  any
		want session.Input
	}{
		{"codes", &events.QR{Codes: []string{"a", "b"}}, session.Input{Kind: session.QRIssued, Codes: []string{"a", "b"}}},
		{
			"scanned", &events.PairSuccess{ID: testJID, LID: testLID},
			session.Input{Kind: session.Paired, Account: session.Account{JID: "5491100000000:12@s.whatsapp.net", LID: "123456789012345:12@lid"}},
		},
		{"515", &events.ManualLoginReconnect{}, session.Input{Kind: session.LoginReconnect}},
		{"logged in", &events.Connected{}, session.Input{Kind: session.SocketUp}},
		{"lost", &events.Disconnected{}, session.Input{Kind: session.SocketLost}},
		{"stream error", &events.StreamError{Code: "500"}, session.Input{Kind: session.SocketLost}},
		{"replaced", &events.StreamReplaced{}, session.Input{Kind: session.Replaced}},
		{"outdated", &events.ClientOutdated{}, session.Input{Kind: session.ClientOutdated, Code: 405}},
		{"passkey", &events.PairPasskeyRequest{}, session.Input{Kind: session.PasskeyRequired}},
		{"passkey confirmation", &events.PairPasskeyConfirmation{Code: "ABCD-EFGH"}, session.Input{Kind: session.PasskeyAnswered}},
		{"passkey error", &events.PairPasskeyError{Error: errors.New("5491100000000")}, session.Input{Kind: session.PairFailed}},
		{"token refresh", &events.CATRefreshError{}, session.Input{Kind: session.ConnectRefused, Code: 414}},
		{"device removed", &events.LoggedOut{Reason: events.ConnectFailureLoggedOut}, session.Input{Kind: session.LoggedOut, Code: 401}},
		{"failure 401", &events.LoggedOut{OnConnect: true, Reason: 401}, session.Input{Kind: session.LoggedOut, Code: 401}},
		{"failure 403", &events.LoggedOut{OnConnect: true, Reason: 403}, session.Input{Kind: session.LoggedOut, Code: 403}},
		{"failure 406", &events.LoggedOut{OnConnect: true, Reason: 406}, session.Input{Kind: session.Banned, Code: 406}},
		{
			"failure 402", &events.TemporaryBan{Code: 101, Expire: time.Hour},
			session.Input{Kind: session.TempBanned, Code: 101, Until: testNow.Add(time.Hour)},
		},
		{"failure 402 without an end", &events.TemporaryBan{Code: 999}, session.Input{Kind: session.TempBanned, Code: 999}},
		{"failure 400", &events.ConnectFailure{Reason: 400}, session.Input{Kind: session.ConnectRefused, Code: 400}},
		{"failure 409", &events.ConnectFailure{Reason: 409}, session.Input{Kind: session.ConnectRefused, Code: 409}},
		{"failure 501", &events.ConnectFailure{Reason: 501}, session.Input{Kind: session.ConnectRefused, Code: 501}},
		{"pair HMAC", &events.PairError{Error: whatsmeow.ErrPairInvalidDeviceIdentityHMAC}, session.Input{Kind: session.PairFailed}},
		{"pair signature", &events.PairError{Error: whatsmeow.ErrPairInvalidDeviceSignature}, session.Input{Kind: session.PairFailed}},
		{"pair rejected", &events.PairError{Error: whatsmeow.ErrPairRejectedLocally}, session.Input{Kind: session.PairFailed}},
		{"pair unreadable", &events.PairError{Error: &whatsmeow.PairProtoError{Message: "x", ProtoErr: errors.New("y")}}, session.Input{Kind: session.PairFailed}},
		{"pair database", &events.PairError{Error: &whatsmeow.PairDatabaseError{Message: "x", DBErr: errors.New("y")}}, session.Input{Kind: session.StoreFailed}},
		{"pair network", &events.PairError{Error: fmt.Errorf("send: %w", whatsmeow.ErrNotConnected)}, session.Input{Kind: session.SocketLost}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := classify(tc.evt, testNow)
			if !ok {
				t.Fatal("the event has no input")
			}
			if got.Kind != tc.want.Kind || got.Code != tc.want.Code || !got.Until.Equal(tc.want.Until) ||
				got.Account != tc.want.Account || !slices.Equal(got.Codes, tc.want.Codes) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if !got.Kind.FromClient() {
				t.Errorf("%s is not an input of a client", got.Kind)
			}
			if personal.MatchString(got.Detail) {
				t.Errorf("the detail %q carries a number or a code", got.Detail)
			}
			if saysNothing := got.Detail == ""; saysNothing && endsRun(got) {
				t.Errorf("%s ends a run without a reason for operators", got.Kind)
			}
		})
	}
}

// endsRun reports inputs after which a run has nothing more to say.
func endsRun(in session.Input) bool {
	kind := runInputFor(in).kind
	return kind == inputLastWord || kind == inputLoginRequested
}

var personal = regexp.MustCompile(`[0-9]{5,}|ABCD`)

func TestOtherEventsMeanNothingToTheMachine(t *testing.T) {
	for _, evt := range []any{
		&events.Message{}, &events.Receipt{}, &events.KeepAliveTimeout{}, &events.KeepAliveRestored{}, &events.QRScannedWithoutMultidevice{},
		&events.OfflineSyncCompleted{}, &events.IdentityChange{}, nil, "text",
	} {
		if in, ok := classify(evt, testNow); ok {
			t.Errorf("%T became %s", evt, in.Kind)
		}
	}
}

func TestAStreamErrorsCodeCannotCarryAnythingElse(t *testing.T) {
	for code, want := range map[string]string{"500": "500", "": "unknown", "5491100000000": "unknown", "x\ny": "unknown"} {
		if got := digits(code); got != want {
			t.Errorf("digits(%q) = %q, want %q", code, got, want)
		}
	}
}
