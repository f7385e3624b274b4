package sandbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/passkey"
	"wasup/internal/sandbox/phones"
)

// askCode connects and requests a pairing code for a number.
func (d *device) askCode(number string) string {
	d.t.Helper()
	if !d.cli.IsConnected() {
		d.codes()
	}
	code, err := d.cli.PairPhone(testContext(d.t), number, true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	if err != nil {
		d.t.Fatal(err)
	}
	return code
}

func TestAPhoneLinksAClientByCode(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone, other := newPhone(t, server, phones.ScriptRead), newPhone(t, server, phones.ScriptRead)
	client := newDevice(t, server)
	feed, stop := server.Subscribe()
	defer stop()

	code := client.askCode(phone.Number())
	if asked := until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventCodeRequested }); asked.Account != phone.Number() || asked.Detail != "Chrome (Linux)" {
		t.Fatalf("the server told %+v", asked)
	}
	jid, err := phone.EnterCode(testContext(t), strings.ToLower(code))
	if err != nil {
		t.Fatal(err)
	}

	if success := wait[*events.PairSuccess](client, 0, nil); success.ID != jid {
		t.Fatalf("client is %s, phone linked %s", success.ID, jid)
	}
	wait[*events.Connected](client, 0, nil)
	if devices := phone.Devices(); len(devices) != 1 || devices[0].JID != jid {
		t.Fatalf("the phone lists %+v", devices)
	}
	// The keys work like those of a QR pairing: others can verify the device's identity.
	if _, err = other.SendText(testContext(t), jid.User, "hello"); err != nil {
		t.Fatal(err)
	}
	wait(client, 0, func(m *events.Message) bool { return m.Message.GetConversation() == "hello" })
	if counters := server.Counters(); len(counters.UnknownQueries) != 0 || counters.Pairings != 1 {
		t.Fatalf("counters %+v", counters)
	}

	again := client.reopen()
	again.connect()
}

func TestAWrongCodeDoesNotSpendTheRightOne(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone := newPhone(t, server, "")
	client := newDevice(t, server)
	code := client.askCode(phone.Number())

	if _, err := phone.EnterCode(testContext(t), "1111-1111"); !errors.Is(err, sandbox.ErrWrongCode) {
		t.Fatalf("wrong code: %v", err)
	}
	if _, err := phone.EnterCode(testContext(t), code); err != nil {
		t.Fatalf("right code: %v", err)
	}
	wait[*events.Connected](client, 0, nil)
}

func TestAfterThreeWrongCodesTheClientHasToAskAnew(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone := newPhone(t, server, "")
	client := newDevice(t, server)
	code := client.askCode(phone.Number())
	for range 3 {
		if _, err := phone.EnterCode(testContext(t), "11111111"); !errors.Is(err, sandbox.ErrWrongCode) {
			t.Fatalf("wrong code: %v", err)
		}
	}
	if _, err := phone.EnterCode(testContext(t), code); !errors.Is(err, sandbox.ErrNoCode) {
		t.Fatalf("the old code: %v", err)
	}
	if _, err := phone.EnterCode(testContext(t), client.askCode(phone.Number())); err != nil {
		t.Fatalf("a new code: %v", err)
	}
	wait[*events.Connected](client, 0, nil)
}

func TestCodesThatNobodyAskedForAreRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone, other := newPhone(t, server, ""), newPhone(t, server, "")
	feed, stop := server.Subscribe()
	defer stop()

	for _, bad := range []string{"", "1234-567", "1234-56789", "ÄBCD-1234"} {
		if _, err := phone.EnterCode(testContext(t), bad); !errors.Is(err, sandbox.ErrBadPairCode) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := phone.EnterCode(testContext(t), "ABCD-1234"); !errors.Is(err, sandbox.ErrNoCode) {
		t.Errorf("nobody asked: %v", err)
	}
	client := newDevice(t, server)
	code := client.askCode(phone.Number())
	if _, err := other.EnterCode(testContext(t), code); !errors.Is(err, sandbox.ErrNoCode) {
		t.Errorf("another phone's code: %v", err)
	}
	client.cli.Disconnect()
	until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventDisconnected })
	if _, err := phone.EnterCode(testContext(t), code); !errors.Is(err, sandbox.ErrNoCode) && !errors.Is(err, sandbox.ErrClientGone) {
		t.Errorf("the client is gone: %v", err)
	}
}

func TestTheServerChecksWhoAsksForACode(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone := newPhone(t, server, "")
	client := newDevice(t, server)
	client.codes()
	for _, refused := range []struct {
		number, display string
		want            error
	}{
		{phone.Number(), "my bot", whatsmeow.ErrIQBadRequest},
		{"15559999999", "Chrome (Linux)", whatsmeow.ErrIQNotFound},
	} {
		_, err := client.cli.PairPhone(testContext(t), refused.number, true, whatsmeow.PairClientChrome, refused.display)
		if !errors.Is(err, refused.want) {
			t.Errorf("%s as %q: %v", refused.number, refused.display, err)
		}
	}
}

func TestAPairingMayNeedThePasskey(t *testing.T) {
	ways := map[string]func(*device, *sandbox.Phone) func(context.Context) (types.JID, error){
		"after a scan": func(d *device, p *sandbox.Phone) func(context.Context) (types.JID, error) {
			code := d.code()
			return func(ctx context.Context) (types.JID, error) { return p.Scan(ctx, code) }
		},
		"after a code": func(d *device, p *sandbox.Phone) func(context.Context) (types.JID, error) {
			code := d.askCode(p.Number())
			return func(ctx context.Context) (types.JID, error) { return p.EnterCode(ctx, code) }
		},
	}
	for name, prepare := range ways {
		t.Run(name, func(t *testing.T) {
			server := newServer(t, sandbox.Config{})
			phone := newPhone(t, server, "")
			phone.RequirePasskey(true)
			client := newDevice(t, server)
			feed, stop := server.Subscribe()
			defer stop()
			link := prepare(client, phone)
			type outcome struct {
				jid types.JID
				err error
			}
			linked := make(chan outcome, 1)
			go func() {
				jid, err := link(testContext(t))
				linked <- outcome{jid, err}
			}()

			demand := wait[*events.PairPasskeyRequest](client, 0, nil)
			assertion, err := phone.Passkey().Assert(demand.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			if err = client.cli.SendPasskeyResponse(testContext(t), assertion); err != nil {
				t.Fatal(err)
			}
			confirmation := wait[*events.PairPasskeyConfirmation](client, 0, nil)
			shown := until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventPasskeyCode })
			if shown.Detail != confirmation.Code || !confirmation.SkipHandoffUX {
				t.Fatalf("the phone shows %s, the client %+v", shown.Detail, confirmation)
			}
			if err = client.cli.SendPasskeyConfirmation(testContext(t)); err != nil {
				t.Fatal(err)
			}

			got := <-linked
			if got.err != nil {
				t.Fatal(got.err)
			}
			if success := wait[*events.PairSuccess](client, 0, nil); success.ID != got.jid {
				t.Fatalf("client is %s, phone linked %s", success.ID, got.jid)
			}
			wait[*events.Connected](client, 0, nil)
			if unknown := server.Counters().UnknownQueries; len(unknown) != 0 {
				t.Fatalf("the server could not answer %v", unknown)
			}
		})
	}
}

func TestAPasskeyThatDoesNotProveAnythingIsRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone, stranger := newPhone(t, server, ""), newPhone(t, server, "")
	phone.RequirePasskey(true)
	client := newDevice(t, server)
	code := client.code()
	ctx, giveUp := context.WithCancel(testContext(t))
	linked := make(chan error, 1)
	go func() {
		_, err := phone.Scan(ctx, code)
		linked <- err
	}()
	demand := wait[*events.PairPasskeyRequest](client, 0, nil)
	if _, err := stranger.Passkey().Assert(demand.PublicKey); !errors.Is(err, passkey.ErrMismatch) {
		t.Errorf("another account's passkey: %v", err)
	}
	good, err := phone.Passkey().Assert(demand.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := map[string]func(*types.WebAuthnResponse){
		"another signature": func(r *types.WebAuthnResponse) { r.Response.Signature[len(r.Response.Signature)-1] ^= 1 },
		"another challenge": func(r *types.WebAuthnResponse) {
			other := *demand.PublicKey
			other.Challenge = []byte("something else")
			replayed, err := phone.Passkey().Assert(&other)
			if err != nil {
				t.Fatal(err)
			}
			*r = *replayed
		},
		"nobody there":    func(r *types.WebAuthnResponse) { r.Response.AuthenticatorData[32] = 0 },
		"another passkey": func(r *types.WebAuthnResponse) { r.RawID = []byte("other") },
		"no answer":       func(r *types.WebAuthnResponse) { r.Response = types.WebAuthnResponseData{} },
	}
	for name, spoil := range spoilt {
		bad := *good
		bad.Response.Signature = append([]byte{}, good.Response.Signature...)
		bad.Response.AuthenticatorData = append([]byte{}, good.Response.AuthenticatorData...)
		spoil(&bad)
		if err := client.cli.SendPasskeyResponse(testContext(t), &bad); !errors.Is(err, whatsmeow.ErrIQNotAuthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	giveUp()
	if err := <-linked; !errors.Is(err, context.Canceled) {
		t.Errorf("the scan ended with %v", err)
	}
	if pairings := server.Counters().Pairings; pairings != 0 {
		t.Errorf("%d pairings", pairings)
	}
}
