package loglimit_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/loglimit"
)

// open returns a limited log and what it has written.
func open() (*slog.Logger, *loglimit.Handler, *record) {
	written := &record{}
	h := loglimit.New(slog.NewTextHandler(written, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return slog.New(h), h, written
}

type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// count returns how many lines contain all the parts.
func (r *record) count(parts ...string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(r.text.String()) {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			n++
		}
	}
	return n
}

func (r *record) want(t *testing.T, n int, parts ...string) {
	t.Helper()
	if got := r.count(parts...); got != n {
		t.Errorf("%d lines with %q, want %d", got, parts, n)
	}
}

func TestLinesThatRepeatAreCountedAndSaidOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _, written := open()
		for range 3 {
			for range 500 {
				log.Error("the disk is full", "session", "a", "code", "store_full")
			}
			log.Error("the disk is full", "session", "a", "code", "store_locked")
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		written.want(t, 3*loglimit.PerSession, `msg="the disk is full"`, "code=store_full", "session=a")
		written.want(t, 3, `msg="said 490 more times in the last minute: the disk is full"`, "code=store_full", "level=ERROR")
		written.want(t, 3, "code=store_locked")
	})
}

func TestAThousandSessionsWithOneFaultDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _, written := open()
		for i := range 1000 {
			of := log.With("session", fmt.Sprint(i))
			for range 5 {
				of.Warn("could not be stored")
				of.Info("session changed")
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		written.want(t, loglimit.PerLine, `msg="could not be stored"`)
		written.want(t, 1, "said 4900 more times")
		written.want(t, 5000, `msg="session changed"`)
	})
}

func TestDebugLinesAndDifferentLinesAreAllWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _, written := open()
		for i := range 300 {
			log.Debug("detail")
			log.Warn("message", "code", fmt.Sprint(i))
			log.Warn("same", "op", fmt.Sprint(i))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		written.want(t, 300, "msg=detail")
		written.want(t, 300, `msg=message`)
		written.want(t, 300, "msg=same")
		written.want(t, 0, "more times")
	})
}

func TestWhatWasCountedIsSaidAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, written := open()
		for range 150 {
			log.WithGroup("g").Warn("again", "session", "not one")
		}
		h.Flush()
		h.Flush()
		written.want(t, loglimit.PerLine, "msg=again")
		written.want(t, 1, "said 50 more times in the last minute: again")
	})
}
