package walog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"testing"
)

func TestNothingPersonalRisesAboveDebug(t *testing.T) {
	var out bytes.Buffer
	log := New("whatsmeow", Output{Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))})
	log.Infof("Successfully paired %s", "5491100000000:12@s.whatsapp.net")
	log.Warnf("Failed to send to %s", "5491100000000")
	log.Debugf("%s", "5491100000000")
	if out.Len() != 0 {
		t.Errorf("logged at info or above: %s", out.String())
	}
	log.Errorf("Failed to store %s with key %s", "5491100000000@lid", strings.Repeat("aB3=", 12))
	line := out.String()
	if !strings.Contains(line, "level=WARN") || !strings.Contains(line, "Failed to store …@lid with key …") {
		t.Errorf("logged %q", line)
	}
}

func TestAStackOfWhatsmeowsIsNotLogged(t *testing.T) {
	var out bytes.Buffer
	log := New("whatsmeow", Output{Log: slog.New(slog.NewTextHandler(&out, nil))})
	log.Errorf("Message decryption for %s panicked: %v\n%s", "3EB0A1", "index out of range", debug.Stack())
	if line := out.String(); !strings.Contains(line, "index out of range") || strings.Contains(line, "goroutine") {
		t.Errorf("logged %q", line)
	}
}

func TestStanzasAreNotLoggedAtAll(t *testing.T) {
	var out bytes.Buffer
	log := New("whatsmeow", Output{Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	log.Sub("Recv").Debugf("<iq><pair-device><ref>secret</ref></pair-device></iq>")
	log.Sub("Send").Sub("More").Debugf("<message/>")
	if out.Len() != 0 {
		t.Errorf("logged %q", out.String())
	}
	log.Sub("Recv").Errorf("Failed")
	log.Debugf("Dialing")
	if text := out.String(); !strings.Contains(text, "module=whatsmeow/Recv") || !strings.Contains(text, "Dialing") {
		t.Errorf("logged %q", text)
	}
}

func TestWhatFailsBecauseOfUsIsNoWarning(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))
	over := make(chan struct{})
	ours := errors.New("the owner deletes it")
	whatsmeow := New("whatsmeow", Output{Log: log, Closing: over, Expected: ours})
	sub := whatsmeow.Sub("Database")
	sub.Errorf("Failed to fetch")
	if !strings.Contains(out.String(), "level=WARN") {
		t.Fatalf("logged %q", out.String())
	}
	out.Reset()
	sub.Errorf("Failed to delete: %v", fmt.Errorf("delete: %w", ours))
	close(over)
	sub.Errorf("Failed to fetch")
	whatsmeow.Errorf("Failed to fetch")
	if out.Len() != 0 {
		t.Errorf("logged %q", out.String())
	}
}
