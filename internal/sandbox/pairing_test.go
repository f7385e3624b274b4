package sandbox_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

func TestAPhoneLinksAClientByQR(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone := newPhone(t, server, "")
	client := newDevice(t, server)
	client.allKeys = true
	feed, stop := server.Subscribe()
	defer stop()

	jid := client.pair(phone)

	if jid.User != phone.Number() || jid.Device == 0 {
		t.Fatalf("linked as %s, phone is %s", jid, phone.JID())
	}
	devices := phone.Devices()
	if len(devices) != 1 || devices[0].JID != jid || !devices[0].Connected || devices[0].Platform != "whatsmeow" {
		t.Fatalf("the phone lists %+v", devices)
	}
	sent := until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventPairDeviceSent })
	paired := until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventPaired })
	if paired.Time.Before(sent.Time) || paired.Account != phone.Number() || paired.Device != jid.String() {
		t.Fatalf("events %+v, %+v", sent, paired)
	}
	// The phone has used one of 812 prekeys to write to its new device.
	if count := preKeys(t, client); count != 811 {
		t.Errorf("%d prekeys on the server", count)
	}
	counters := server.Counters()
	if counters.Pairings != 1 || counters.Logins != 1 || counters.Registrations != 1 {
		t.Fatalf("counters %+v", counters)
	}
	if len(counters.UnknownQueries) != 0 {
		t.Fatalf("the server could not answer %v", counters.UnknownQueries)
	}
}

func TestAPhoneScansTheOlderFormOfTheCode(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone := newPhone(t, server, "")
	client := newDevice(t, server)
	code := client.code()
	_, bare, found := strings.Cut(code, "#")
	parts := strings.Split(bare, ",")
	if !found || len(parts) != 5 {
		t.Fatalf("the client showed %d parts", len(parts))
	}

	if _, err := phone.Scan(testContext(t), strings.Join(parts[:4], ",")); err != nil {
		t.Fatal(err)
	}
	wait[*events.Connected](client, 0, nil)
}

func TestALinkedClientLogsInAgainWithoutACode(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone := newPhone(t, server, "")
	first := newDevice(t, server)
	first.pair(phone)

	second := first.reopen()
	second.connect()

	for _, event := range second.seen(0) {
		if _, ok := event.(*events.QR); ok {
			t.Fatal("the client was asked to pair again")
		}
	}
	if counters := server.Counters(); counters.Pairings != 1 || counters.Logins != 2 {
		t.Fatalf("counters %+v", counters)
	}
}

func TestCodesThatNobodyShowsAreRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{FirstRefTTL: time.Nanosecond, RefTTL: time.Hour})
	phone := newPhone(t, server, "")
	client := newDevice(t, server)
	codes := client.codes()

	if _, err := phone.Scan(testContext(t), codes[0]); !errors.Is(err, sandbox.ErrRefExpired) {
		t.Errorf("expired code: %v", err)
	}
	if _, err := phone.Scan(testContext(t), "https://example.org/"); !errors.Is(err, sandbox.ErrBadCode) {
		t.Errorf("no code: %v", err)
	}
	parts := strings.Split(codes[1], ",")
	unknown := strings.Replace(codes[1], parts[0], "https://wa.me/settings/linked_devices#2@unknown", 1)
	if _, err := phone.Scan(testContext(t), unknown); !errors.Is(err, sandbox.ErrRefUnknown) {
		t.Errorf("unknown ref: %v", err)
	}
	// The keys in the code must be those of the client that shows it.
	swapped := strings.Join([]string{parts[0], parts[2], parts[1], parts[3], parts[4]}, ",")
	if _, err := phone.Scan(testContext(t), swapped); !errors.Is(err, sandbox.ErrBadCode) {
		t.Errorf("foreign keys: %v", err)
	}
	if _, err := phone.Scan(testContext(t), codes[1]); err != nil {
		t.Fatalf("valid code: %v", err)
	}
	wait[*events.Connected](client, 0, nil)
}

func TestTheConnectionClosesWhenAllCodesHaveExpired(t *testing.T) {
	server := newServer(t, sandbox.Config{FirstRefTTL: 20 * time.Millisecond, RefTTL: 10 * time.Millisecond, Refs: 2})
	client := newDevice(t, server)
	if got := len(client.codes()); got != 2 {
		t.Fatalf("%d codes", got)
	}
	wait[*events.Disconnected](client, 0, nil)
}

func TestTwoServersInOneProcessKnowNothingOfEachOther(t *testing.T) {
	one, other := newServer(t, sandbox.Config{}), newServer(t, sandbox.Config{})
	if one.URL() == other.URL() || one.RootPublicKey() != other.RootPublicKey() {
		t.Fatalf("%s and %s", one.URL(), other.URL())
	}
	phone, err := one.AddPhone(phones.Config{Number: "491700000001"})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.AddPhone(phones.Config{Number: "491700000001"})
	if err != nil {
		t.Fatal(err)
	}
	client := newDevice(t, one)
	code := client.code()
	if _, err = stranger.Scan(testContext(t), code); !errors.Is(err, sandbox.ErrRefUnknown) {
		t.Fatalf("scanned on the wrong server: %v", err)
	}
	if _, err = phone.Scan(testContext(t), code); err != nil {
		t.Fatal(err)
	}
	wait[*events.Connected](client, 0, nil)
	if logins := other.Counters().Logins; logins != 0 {
		t.Fatalf("the other server saw %d logins", logins)
	}
}
