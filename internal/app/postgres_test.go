package app

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"wasup/internal/app/apptest"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/store/pgtest"
)

func TestAnOutageOfPostgresRefusesSendsAndLeavesSessionsLinked(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	cluster := pgtest.New(t)
	h := open(t, server, apptest.Quick(server, cluster.Database(t)), seams{})
	phone := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	h.talk(1, phone, bruno, "before")
	shown := h.seen.count("1", session.QRRequired)
	// Wait until all incoming stanzas (receipts, and what a phone sends a new device) are handled, so that none has to
	// be stored during the outage.
	apptest.Until(t, "everything is acknowledged", func() bool {
		devices, messages := phone.Devices(), phone.Messages()
		read := slices.ContainsFunc(messages, func(m phones.Message) bool { return m.FromMe && m.Status == phones.StatusRead })
		return read && len(devices) == 1 && devices[0].Queued == 0
	})
	if err := cluster.Shutdown(); err != nil {
		t.Fatal(err)
	}
	// A receipt that could not be stored may have ended the client's run before the send came.
	refused := h.Send(1, bruno.Number(), "during")
	if err := discreet(refused); err != nil || refused.Status < 500 && refused.Fields["code"] != "SESSION_NOT_READY" {
		t.Errorf("a send without a database is answered %d: %s, %v", refused.Status, refused.Body, err)
	}
	// A session that reconnects meanwhile cannot read its device. It must not conclude that it has none.
	server.DropTCP(faults.Select{})
	h.comes(1, session.DisconnectedRecoverable, session.CauseStoreUnavailable)
	if err := cluster.Start(); err != nil {
		t.Fatal(err)
	}
	h.ready(1)
	if n := h.seen.count("1", session.QRRequired); n != shown || len(phone.Devices()) != 1 {
		t.Fatalf("it needed a QR again: %d instead of %d, %d devices", n, shown, len(phone.Devices()))
	}
	h.talk(1, phone, bruno, "after")
	for _, text := range received(bruno) {
		if text == "during" {
			t.Error("the refused message was sent")
		}
	}
	exposition := h.Get("/metrics", 1).Is(http.StatusOK)
	for _, series := range []string{`wasup_store_connections_max{pool="postgres"} 20`, `wasup_store_connections{pool="postgres",use="idle"}`} {
		if !strings.Contains(string(exposition.Body), series) {
			t.Errorf("the metrics do not hold %s", series)
		}
	}
}

func TestAProcessWhoseDatabaseAnotherOneTookEndsWithOneLine(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	dsn := pgtest.DSN(t)
	h := open(t, server, apptest.Quick(server, dsn), seams{})
	h.linked(1)
	ended := make(chan error, 1)
	go func() { ended <- h.app.Wait(t.Context()) }()
	pgtest.Rival(t, dsn)
	select {
	case err := <-ended:
		var told *session.Error
		if !errors.As(err, &told) || told.Code != session.CodeStoreLocked || !strings.Contains(told.Message, "rival") || strings.Contains(told.Message, "\n") {
			t.Errorf("it ends with %v", err)
		}
	case <-apptest.Bounded(t).Done():
		t.Fatal("it goes on beside the other process")
	}
	apptest.Until(t, "its sockets are closed", func() bool { return server.Counters().ConnectionsOpen == 0 })
}
