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

	lost  <-chan error // another process took the database
	stops []stop       // in the order of the starts; stopped in reverse
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
	return &App{
		cfg: cfg, log: log, version: version, pictures: qr.NewPictures(),
		metrics: metrics.New(metrics.Options{Version: version, PerSession: cfg.Metrics.PerSession, Log: log}),
	}
}

// Start opens the store, serves HTTP and brings the stored sessions back. It returns once that is on its way; what had
// started is stopped again where something fails.
func (a *App) Start(ctx context.Context) error {
	if err := a.start(ctx); err != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.Shutdown.Timeout)
		defer cancel()
		return errors.Join(err, a.Stop(stopping))
	}
	return nil
}

// Addr is the address that HTTP is served on.
func (a *App) Addr() string { return a.http.Addr() }

// onStop adds a part to the stack of what is stopped, the last one first.
func (a *App) onStop(name string, do func(context.Context) error) {
	a.stops = append(a.stops, stop{name, do})
}

// Stop refuses new requests, answers those that wait, lets sends end, closes every socket and the store, in that order
// and within ctx. It names what did not stop in time. It is idempotent and legal after a failed Start.
func (a *App) Stop(ctx context.Context) error {
	if a.sessions != nil {
		a.sessions.Drain()
	}
	var errs []error
	for i := len(a.stops) - 1; i >= 0; i-- {
		part := a.stops[i]
		bounded, cancel := share(ctx, i)
		began := time.Now()
		if err := part.do(bounded); err != nil {
			a.log.Error("a part did not stop", "part", part.name, "err", err)
			errs = append(errs, fmt.Errorf("stop %s: %w", part.name, err))
		} else {
			a.log.Debug("stopped", "part", part.name, "took", time.Since(began))
		}
		cancel()
	}
	a.stops = nil
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
