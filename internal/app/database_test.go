package app

import (
	"database/sql"
	"testing"

	"wasup/internal/app/apptest"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// hide makes a table unreadable, as in a damaged or unreachable database, until show is called.
func hide(t testing.TB, db *sql.DB, table string) (show func()) {
	t.Helper()
	rename := func(from, to string) {
		t.Helper()
		// Without legacy_alter_table SQLite would make references in other tables point at the new name.
		for _, query := range []string{"PRAGMA legacy_alter_table=ON", "ALTER TABLE " + from + " RENAME TO " + to} {
			if _, err := db.ExecContext(apptest.Bounded(t), query); err != nil {
				t.Fatal(err)
			}
		}
	}
	rename(table, "hidden_"+table)
	return func() { t.Helper(); rename("hidden_"+table, table) }
}

func TestADatabaseErrorWhileASessionStartsIsNeverTakenForNoDevice(t *testing.T) {
	h := newHouse(t)
	phone := h.linked(1)
	for _, table := range []string{"whatsmeow_device", "wasup_session"} {
		h.close()
		db := connect(t, h.cfg.Store.DSN)
		show := hide(t, db, "whatsmeow_device")
		h = open(t, h.server, h.cfg, seams{})
		h.comes(1, session.DisconnectedRecoverable, session.CauseStoreUnavailable)
		h.Get("/status", 1).Is(200).With("connected", false, "needs_qr", false, "is_recoverable", true)
		show()
		h.ready(1)
		h.noQR(phone)

		show = hide(t, db, table)
		h.server.DropTCP(faults.Select{})
		h.comes(1, session.DisconnectedRecoverable, session.CauseStoreUnavailable)
		show()
		h.ready(1)
		h.noQR(phone)
	}
}

func (h *house) noQR(phone *sandbox.Phone) {
	h.t.Helper()
	if h.seen.count(session.NumericID(1), session.QRRequired) != 0 {
		h.t.Fatal("somebody who is linked was shown a QR")
	}
	if n := len(phone.Devices()); n != 1 {
		h.t.Fatalf("the phone has %d devices", n)
	}
}

func TestAPairingThatCannotBeStoredIsRefusedAndCanBeTriedAgain(t *testing.T) {
	h := newHouse(t)
	phone := h.phone(phones.ScriptRead)
	code := h.code(1)
	show := hide(t, connect(t, h.cfg.Store.DSN), "whatsmeow_device")
	if device, err := phone.Scan(apptest.Bounded(t), code); err == nil {
		t.Fatalf("device %s is linked and nowhere stored", device)
	}
	h.comes(1, session.DisconnectedRecoverable, session.CauseStoreUnavailable)
	show()
	h.comes(1, session.QRRequired, session.CausePairing)
	h.pair(1, phone)
	if n := len(phone.Devices()); n != 1 {
		t.Fatalf("the phone has %d devices", n)
	}
}
