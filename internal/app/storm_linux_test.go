package app

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/testtools/disktest"
)

func TestAFullDiskIsWaitedForWithoutLoginsAndWithoutAFloodOfLines(t *testing.T) {
	disk := disktest.Small(t, "64m")
	f := &fleet{size: fewStormy}
	t.Cleanup(f.close)
	fillTheDisk(t, f.use(t), disk)
}

// BenchmarkThousandWithAFullDisk is the long form. It prints the logins during the outage and the lines of the log.
func BenchmarkThousandWithAFullDisk(b *testing.B) {
	disk := disktest.Small(b, "2g")
	f := theThousand.use(b)
	for b.Loop() {
		logins, lines := fillTheDisk(b, f, disk)
		b.ReportMetric(logins, "logins/session")
		b.ReportMetric(lines, "lines/session")
	}
}

// fillTheDisk fills the disk of the database of linked sessions, lets each of them receive, and makes room again.
func fillTheDisk(t testing.TB, f *fleet, disk string) (logins, lines float64) {
	t.Helper()
	cfg := f.config()
	cfg.Store.DSN = "sqlite:" + copied(t, filepath.Join(f.folder, "wasup.db"), filepath.Join(disk, "wasup.db"))
	h := open(t, f.server, cfg, seams{})
	apptest.Until(t, "all are READY", func() bool { return h.all(f.size, ready) })
	sender := h.phone(phones.ScriptRead)
	began, loudBefore := f.server.Counters().Logins, h.lines()
	empty := disktest.Fill(t, disk)
	told := make([]int, f.size)
	waits := func(s session.Status) bool {
		return s.State == session.DisconnectedRecoverable && s.Cause == session.CauseStoreUnavailable
	}
	apptest.Until(t, "all wait for the database", func() bool {
		for i, phone := range f.phones {
			if ready(h.status(int64(i + 1))) { // the disk takes some more before it is full
				if _, err := sender.SendText(apptest.Bounded(t), phone.Number(), fmt.Sprint(told[i], bulk)); err != nil {
					t.Fatal(err)
				}
				told[i]++
			}
		}
		return h.all(f.size, waits)
	})
	h.probe(503)
	h.Get("/health", 0).With("status", "error", "service", "session-manager", "error", "The disk or the database is full.")
	h.Get("/readyz", 0).With("reason", "database failing")
	if got := h.failing(); got != "1" {
		t.Errorf("wasup_store_failing is %q", got)
	}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for range 30 { // several trial writes, and many retries of sessions that would not wait
		<-again.C
		if !h.all(f.size, waits) {
			t.Error("a session does not wait for the database")
			break
		}
	}
	logins, lines = float64(f.server.Counters().Logins-began)/float64(f.size), float64(h.lines()-loudBefore)/float64(f.size)
	if logins > 1 {
		t.Errorf("%.1f logins a session while the disk was full", logins)
	}
	if lines > 10 {
		t.Errorf("%.1f lines a session while the disk was full", lines)
	}
	empty()
	apptest.Until(t, "all are READY again, without any traffic", func() bool { return h.all(f.size, ready) })
	h.probe(200)
	if got := h.failing(); got != "0" {
		t.Errorf("wasup_store_failing is %q", got)
	}
	for i, n := range told {
		h.Logged(t, fmt.Sprint(i+1), events.TypeMessage, n)
	}
	h.close()
	return logins, lines
}

func copied(t testing.TB, from, to string) string {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	target, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}
