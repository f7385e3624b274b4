package whatsapp

import (
	"errors"
	"strings"
	"testing"

	"go.mau.fi/util/dbutil"

	"wasup/internal/session"
)

// noDevices is for configurations that are rejected before anybody asks for a device.
type noDevices struct{ Devices }

func TestABadEndpointIsNamed(t *testing.T) {
	for _, raw := range []string{"http://127.0.0.1/ws", "ws://", "127.0.0.1:80", "ws://user:secret@host/ws", "ws://host/#x", "ws://a b/"} {
		_, err := New(Config{WebsocketURL: raw})
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != "WebsocketURL" {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if !strings.Contains(e.Message, "expected") || strings.Contains(e.Message, "secret") {
			t.Errorf("%q: %q", raw, e.Message)
		}
	}
}

func TestMissingPartsOfTheConfigurationAreNamed(t *testing.T) {
	for _, tc := range []struct {
		field string
		cfg   Config
	}{
		{"DB", Config{}},
		{"Devices", Config{DB: &dbutil.Database{}}},
		{"KeepAliveStale", Config{DB: &dbutil.Database{}, Devices: noDevices{}, KeepAliveStale: -1}},
		{"ConnectTimeout", Config{DB: &dbutil.Database{}, Devices: noDevices{}, ConnectTimeout: -1}},
	} {
		_, err := New(tc.cfg)
		var e *session.Error
		if !errors.As(err, &e) || e.Field != tc.field {
			t.Errorf("%v, want field %s", err, tc.field)
		}
	}
}
