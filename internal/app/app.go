// Package app makes one wasup of the rooms: it opens the store, starts every part in its order, serves HTTP, and stops
// everything again. It is the only place where rooms are wired together, and does nothing else: what it hands from one
// room to another is in adapters.go, what the configuration means to each room in settings.go.
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

	lost <-chan error // another process took the database

	life  context.Context // of a Start: ends with the first Stop
	end   context.CancelFunc
	turn  chan struct{} // held by the Start or the Stop that is at work; it guards all that they change
	begun bool
	stops []stop // in the order of the starts; stopped in reverse
}

// seams let tests stand between two rooms, to break what cannot be broken from outside. The zero value changes nothing.
type seams struct {
	dialer      func(session.Dialer) session.Dialer
	followers   []supervisor.Follower // told before the others
	downloading func(*incoming.Options)
	opened      func(*store.Store)
}

// stop ends one part of the app.
type stop struct {
	name string
	do   func(ctx context.Context) error
}

// New makes an app that has not started. cfg must be valid; version is what the API and the metrics tell.
func New(cfg configs.Config, version string, log *slog.Logger) *App {
	life, end := context.WithCancel(context.Background())
	return &App{
		cfg: cfg, log: log, version: version, pictures: qr.NewPictures(), life: life, end: end, turn: make(chan struct{}, 1),
		metrics: metrics.New(metrics.Options{Version: version, PerSession: cfg.Metrics.PerSession, Log: log}),
	}
}

// Start opens the store, serves HTTP and brings the stored sessions back. It returns once that is on its way; what had
// started is stopped again where something fails. It is called once. CodeShuttingDown: Stop was called.
func (a *App) Start(ctx context.Context) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.give()
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

// take waits until no other Start or Stop is at work. It asks ctx last: a Stop without time still cuts everything off.
func (a *App) take(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("another start or stop is at work: %w", ctx.Err())
	}
}

func (a *App) give() { <-a.turn }

// Addr is the address that HTTP is served on.
func (a *App) Addr() string { return a.http.Addr() }

// onStop adds a part to the stack of what is stopped, the last one first.
func (a *App) onStop(name string, do func(context.Context) error) {
	a.stops = append(a.stops, stop{name, do})
}

// Stop refuses new requests, answers those that wait, lets sends end, closes every socket and the store, in that order
// and within ctx. It names what did not stop in time; a later call waits for that. It is idempotent and legal before Start,
// which then begins nothing, and during one, which it ends.
func (a *App) Stop(ctx context.Context) error {
	a.end()
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.give()
	return a.stopParts(ctx)
}

func (a *App) stopParts(ctx context.Context) error {
	if a.sessions != nil {
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
	return errors.Join(errs...)
}

// share leaves the parts that stop later some of the time: each may use half of what is left, the last all of it.
func share(ctx context.Context, later int) (context.Context, context.CancelFunc) {
	deadline, bounded := ctx.Deadline()
	if !bounded || later == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// Run serves until ctx ends or a listener fails, and then stops within the configured bound.
func (a *App) Run(ctx context.Context) error {
	if err := a.Start(ctx); err != nil {
		return err
	}
	return a.Wait(ctx)
}

// Wait is Run after a Start that succeeded.
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

// Shutdown is Stop within the configured bound, shutdown.timeout, also where ctx has ended.
func (a *App) Shutdown(ctx context.Context) error {
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.Shutdown.Timeout)
	defer cancel()
	err := a.Stop(stopping)
	a.log.Info("stopped")
	return err
}
