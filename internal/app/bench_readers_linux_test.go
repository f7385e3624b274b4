package app

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"wasup/configs"
	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/store"
)

// BenchmarkUnreadReaders measures the memory of a server process whose log has 520 texts of 65 kB, first alone, then with
// 100 callers that ask for all of it and read nothing, and with 30 that ask for pages of 500 at the same time.
func BenchmarkUnreadReaders(b *testing.B) {
	cfg := configs.Default()
	cfg.HTTP.Listen = "127.0.0.1:0"
	cfg.Store.DSN = "sqlite:" + filepath.Join(b.TempDir(), "wasup.db")
	cfg.Media.Dir = filepath.Join(b.TempDir(), "media")
	fillLog(b, cfg.Store.DSN)
	for b.Loop() {
		child, caller := apptest.ServeChild(b, cfg)
		b.ReportMetric(residentMax(b, child.PID()), "MB-alone")
		conns := make([]net.Conn, 100)
		for i := range conns {
			conns[i] = unread(b, caller.Base, "GET /v1/events?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		}
		b.ReportMetric(residentMax(b, child.PID()), "MB-readers")
		for _, conn := range conns {
			_ = conn.Close()
		}
		for i := range 30 {
			conns[i] = unread(b, caller.Base, "GET /v1/events?after=0&limit=500 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		}
		b.ReportMetric(residentMax(b, child.PID()), "MB-pages")
		for i := range 30 {
			_ = conns[i].Close()
		}
		child.Kill()
	}
}

// fillLog stores the texts before the server starts.
func fillLog(b *testing.B, dsn string) {
	st, err := store.Open(apptest.Bounded(b), dsn, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	text := message.TextOf(strings.Repeat("a", 65_000))
	for i := range 520 {
		data, err := events.Encode(events.MessageData{ID: strconv.Itoa(i), Content: &text})
		if err != nil {
			b.Fatal(err)
		}
		if err := st.Events().Append(apptest.Bounded(b), events.Event{Session: "1", Type: events.TypeMessage, Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}

// unread sends a request and reads nothing.
func unread(b *testing.B, base, request string) net.Conn {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		b.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		b.Fatal(err)
	}
	return conn
}

// residentMax returns the largest resident set of a process in MB, when it has not grown for a while.
func residentMax(b *testing.B, pid int) float64 {
	const while = 10 * time.Second
	most, quiet := 0.0, time.NewTimer(while)
	defer quiet.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-quiet.C:
			return most
		case <-tick.C:
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err != nil {
				b.Fatal(err)
			}
			_, line, _ := strings.Cut(string(text), "VmRSS:")
			var kib float64
			if _, err := fmt.Sscan(line, &kib); err != nil {
				b.Fatal(err)
			}
			if kib/1000 > most+1 {
				most = kib / 1000
				quiet.Reset(while)
			}
		}
	}
}
