// Package app builds wasup from its rooms: it opens the store, starts every part in order, serves HTTP, and stops
// everything. It is the only place where rooms are wired together, and it does nothing else. adapters.go fits rooms to
// each other, and settings.go turns the configuration into each room's options.
//
// A test of any package can start a whole wasup on 127.0.0.1:0 with New and Start.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"wasup/configs"
	"wasup/httpapi"
	"wasup/httpapi/qr"
	"wasup/internal/events"
	"wasup/internal/loglimit"
	"wasup/internal/media/incoming"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
	"wasup/metrics"
	"wasup/supervisor"
)

// App is a running wasup.
type App struct {
	cfg     configs.Config
	log     *slog.Logger
	lines   *loglimit.Handler // counts the lines of log that repeat
	version string
	between seams

	metrics    *metrics.Metrics
	events     *events.Log
	feed       *events.Feed
	webhooks   *webhooks.Webhooks
	outbox     *outbox.Outbox
	downloader *incoming.Downloader
	sessions   *supervisor.Supervisor
	pictures   *qr.Pictures
	http       *httpapi.Server

	lost <-chan error // gets the error when another process has taken the database

	life  context.Context // of a Start; ends with the first Stop
	end   context.CancelFunc
	busy  chan struct{} // full while a Start or a Stop runs; guards everything that they change
	begun bool
	stops []stop // in the order of the starts; Stop calls them in reverse
}

// seams let tests put code between two rooms and cause faults that they cannot cause from outside. The zero value
// changes nothing.
type seams struct {
	dialer      func(session.Dialer) session.Dialer
	followers   []supervisor.Follower // called before the others
	downloading func(*incoming.Options)
	opened      func(*store.Store)
}

// stop is a named function that stops one part of the app.
type stop struct {
	name string
	do   func(ctx context.Context) error
}

// New makes an app that has not started. cfg must be valid. The API and the metrics report version.
func New(cfg configs.Config, version string, log *slog.Logger) *App {
	life, end := context.WithCancel(context.Background())
	lines := loglimit.New(log.Handler())
	log = slog.New(lines)
	return &App{
		cfg: cfg, log: log, lines: lines, version: version, pictures: qr.NewPictures(), life: life, end: end, busy: make(chan struct{}, 1),
		metrics: metrics.New(metrics.Options{Version: version, PerSession: cfg.Metrics.PerSession, Log: log}),
	}
}

// Start opens the store, serves HTTP and begins to restore the stored sessions. It does not wait until they are
// connected. If a part fails to start, Start stops the parts that have started. It is called once. The error is
// CodeShuttingDown if Stop was called.
func (a *App) Start(ctx context.Context) error {
	if err := a.lock(ctx); err != nil {
		return err
	}
	defer a.unlock()
	if a.begun {
		return errors.New("app: Start was called before")
	}
	a.begun = true
	starting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.life, cancel)()
	err := a.life.Err()
	if err == nil {
		err = a.start(starting)
	}
	if err == nil {
		return nil
	}
	if a.life.Err() != nil {
		err = &session.Error{Code: session.CodeShuttingDown, Op: "start", Err: err}
	}
	a.end()
	stopping, cancelStop := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.Shutdown.Timeout)
	defer cancelStop()
	return errors.Join(err, a.stopParts(stopping))
}

// lock waits until no other Start or Stop runs. It checks ctx last, so that a Stop without time still cuts everything off.
func (a *App) lock(ctx context.Context) error {
	select {
	case a.busy <- struct{}{}:
		return nil
	default:
	}
	select {
	case a.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("another start or stop is running: %w", ctx.Err())
	}
}

func (a *App) unlock() { <-a.busy }

// Addr is the address that HTTP is served on.
func (a *App) Addr() string { return a.http.Addr() }

// onStop pushes a part onto the stack of parts. Stop stops the last one first.
func (a *App) onStop(name string, do func(context.Context) error) {
	a.stops = append(a.stops, stop{name, do})
}

// Stop refuses new requests, answers waiting callers, lets sends end, closes every socket and closes the store, in that
// order. It ends when ctx ends at the latest. The error names the parts that did not stop in time; a later call waits for
// them. Stop is idempotent. It is legal before Start, which then begins nothing, and during Start, which then ends.
func (a *App) Stop(ctx context.Context) error {
	a.end()
	if err := a.lock(ctx); err != nil {
		return err
	}
	defer a.unlock()
	return a.stopParts(ctx)
}

func (a *App) stopParts(ctx context.Context) error {
	if a.sessions != nil {
		a.outbox.Drain()
		a.sessions.Drain()
	}
	var errs []error
	var left []stop
	for i := len(a.stops) - 1; i >= 0; i-- {
		part := a.stops[i]
		bounded, cancel := share(ctx, i)
		began := time.Now()
		if err := part.do(bounded); err != nil {
			a.log.Error("a part did not stop", "part", part.name, "err", err)
			errs = append(errs, fmt.Errorf("stop %s: %w", part.name, err))
			left = append(left, part)
		} else {
			a.log.Debug("stopped", "part", part.name, "took", time.Since(began))
		}
		cancel()
	}
	slices.Reverse(left)
	a.stops = left
	a.lines.Flush()
	return errors.Join(errs...)
}

// share limits the time in which one part stops, so that later parts have time too: each part gets half of the time that
// is left, and the last part gets all of it. later is the number of parts that stop afterwards.
func share(ctx context.Context, later int) (context.Context, context.CancelFunc) {
	deadline, bounded := ctx.Deadline()
	if !bounded || later == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// Run starts the app and serves until ctx ends, the HTTP server fails or the database is lost. Then it stops the app
// within shutdown.timeout.
func (a *App) Run(ctx context.Context) error {
	if err := a.Start(ctx); err != nil {
		return err
	}
	return a.Wait(ctx)
}

// Wait is the part of Run after Start.
func (a *App) Wait(ctx context.Context) error {
	var failed error
	select {
	case <-ctx.Done():
		a.log.Info("stopping", "bound", a.cfg.Shutdown.Timeout)
	case failed = <-a.http.Failed():
		a.log.Error("the HTTP server failed", "err", failed)
	case failed = <-a.lost:
		a.log.Error("the database was lost; stopping, because another process runs its sessions now", "err", failed)
	}
	return errors.Join(failed, a.Shutdown(ctx))
}

// Shutdown calls Stop with a limit of shutdown.timeout. It also works after ctx has ended.
func (a *App) Shutdown(ctx context.Context) error {
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.Shutdown.Timeout)
	defer cancel()
	err := a.Stop(stopping)
	a.log.Info("stopped")
	return err
}
