package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"wasup/configs"
	"wasup/httpapi"
	"wasup/httpapi/qr"
	"wasup/internal/contacts"
	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/media/outgoing"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
	"wasup/internal/whatsapp"
	"wasup/metrics"
	"wasup/supervisor"
)

// App is a running wasup: the only place where the rooms are wired together.
type App struct {
	cfg     configs.Config
	log     *slog.Logger
	metrics *metrics.Metrics

	sessions *supervisor.Supervisor
	events   *events.Log
	feed     *events.Feed
	webhooks *webhooks.Webhooks
	box      atomic.Pointer[outbox.Outbox]
	keeper   atomic.Pointer[incoming.Keeper]
	http     *httpapi.Server
	pictures *qr.Pictures
	lost     <-chan error // another process took the database
	stops    []stop       // in the order of the starts; stopped in reverse
	between  seams
}

// seams let tests stand between two rooms, to break what cannot be broken from outside. The zero value changes nothing.
type seams struct {
	dialer   func(session.Dialer) session.Dialer
	observer func(supervisor.Observer) supervisor.Observer
	keeping  func(*incoming.Options)
	opened   func(*store.Store)
}

// stop ends one part of the app.
type stop struct {
	name string
	do   func(ctx context.Context) error
}

// New makes an app that has not started. cfg must be valid.
func New(cfg configs.Config, log *slog.Logger) *App {
	return &App{
		cfg: cfg, log: log, pictures: qr.NewPictures(),
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

func (a *App) start(ctx context.Context) error {
	if err := vacant(ctx, a.cfg.HTTP.Listen); err != nil {
		return err
	}
	db, err := store.Open(ctx, a.cfg.Store.DSN, storeOptions(a.cfg, a.log))
	if err != nil {
		return err
	}
	a.lost = db.Lost()
	if a.between.opened != nil {
		a.between.opened(db)
	}
	a.onStop("store", func(context.Context) error { return db.Close() })
	if err := a.startEvents(ctx, db); err != nil {
		return err
	}
	if err := a.startWebhooks(ctx, db); err != nil {
		return err
	}
	a.startRetention()
	spool, err := a.openSpool()
	if err != nil {
		return err
	}
	received := inbox{a.events, &a.box, &a.keeper}
	dialer, err := whatsapp.New(whatsapp.Config{
		WebsocketURL: a.cfg.WhatsApp.WebsocketURL, RootPublicKey: a.cfg.WhatsApp.RootPublicKey,
		Proxy: a.cfg.WhatsApp.Proxy, ProxyPoolSize: a.cfg.WhatsApp.ProxyPoolSize,
		DB: db.DB(), Read: db.ReadDB(), Commit: db.Commit, Devices: db.Sessions(),
		Journal: received, Sent: received.sent, KeepAliveStale: a.cfg.Session.KeepaliveStale, Files: spool, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.onStop("whatsapp", dialer.Close)
	a.sessions = supervisor.New(a.supervision(dialer, dialer, db))
	a.onStop("sessions", a.sessions.Stop)
	box := outbox.New(db.Outbox(), outlet{a.sessions}, a.outboxOptions())
	a.onStop("outbox", box.Close)
	if err := box.Start(ctx); err != nil {
		return err
	}
	a.box.Store(box)
	a.sweep(spool, db.Outbox())
	a.metrics.Watch(metrics.Sources{
		MailboxInFlight: a.sessions.InFlight, QRWaiters: a.sessions.Waiting, LiveReaders: a.events.Readers, EventsKept: a.logged, Pools: pools(db), Backlog: backlog(box),
		StanzasWaiting: dialer.StanzasWaiting, Commits: commits(db), ClientVersion: dialer.Version, Webhooks: hookFigures(a.webhooks), KeptMedia: a.keptFigures,
	})
	if err := a.serve(db, box, spool); err != nil {
		return err
	}
	if err := a.sessions.Boot(ctx); err != nil {
		return err
	}
	return a.listen()
}

// serve makes what answers HTTP, which needs everything else.
func (a *App) serve(db *store.Store, box *outbox.Outbox, spool *outgoing.Spool) error {
	numbers, err := contacts.New(a.sessions, contacts.Options{TTL: a.cfg.Contacts.TTL, PerMinute: a.cfg.Contacts.PerMinute})
	if err != nil {
		return err
	}
	incoming, err := a.keep(db)
	if err != nil {
		return err
	}
	a.http, err = httpapi.New(
		httpapi.Config{
			QRWait: a.cfg.QR.Wait, BodyLimit: a.cfg.HTTP.BodyLimit, MaxAttempts: a.cfg.Session.MaxAttempts,
			SendTimeout: a.cfg.Send.Timeout + sendMargin, UploadKeep: a.cfg.Media.Keep,
		},
		httpapi.Deps{
			Sessions: a.sessions, Slots: a.sessions, Supervision: tree{a.sessions}, Links: a.sessions, Live: live{a.events}, Received: incoming,
			Sender: sender{box}, Messages: box, Files: spool, Chats: chats{a.sessions, numbers},
			Webhooks: a.webhooks, Deliveries: a.webhooks, Pictures: a.pictures,
			Health: health{db, a.sessions}, Observer: observer{a.metrics},
			Metrics: a.metrics.Handler(), Version: version, Log: a.log,
		},
	)
	return err
}

// listen opens the door. Every stored session is known by then: who asks for one must not be told that there is none.
func (a *App) listen() error {
	if _, err := a.http.Listen(a.cfg.HTTP.Listen); err != nil {
		return err
	}
	a.onStop("http", a.http.Shutdown)
	a.log.Info("listening", "http", a.http.Addr(), "version", version)
	return nil
}

// vacant finds a taken port out before a database is made: HTTP is served last, and nothing may be left behind.
func vacant(ctx context.Context, addr string) error {
	var probe net.ListenConfig
	l, err := probe.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: the port is taken by another process: %w", addr, syscall.EADDRINUSE)
	default:
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
}

func (a *App) supervision(dialer session.Dialer, refresher supervisor.Refresher, db *store.Store) supervisor.Config {
	cfg := a.cfg
	policy := session.DefaultPolicy()
	policy.FirstCodeTTL, policy.CodeTTL = cfg.QR.FirstTTL, cfg.QR.TTL
	policy.UnattendedAfter = cfg.QR.UnattendedAfter
	policy.ConnectDeadline, policy.PairingDeadline = cfg.Session.ConnectDeadline, cfg.Session.PairingDeadline
	policy.BackoffMin, policy.BackoffMax = cfg.Session.BackoffMin, cfg.Session.BackoffMax
	policy.MaxAttempts, policy.CoolDown = cfg.Session.MaxAttempts, cfg.Session.Cooldown
	var watcher supervisor.Observer = filed{queued{observed{a.metrics, a.feed}, &a.box}, &a.keeper}
	if a.between.observer != nil {
		watcher = a.between.observer(watcher)
	}
	if a.between.dialer != nil {
		dialer = a.between.dialer(dialer)
	}
	return supervisor.Config{
		Dialer: dialer, Refresher: refresher, Store: deletions{db.Sessions(), a.webhooks}, Observer: watcher, Live: a.feed, Policy: policy, Log: a.log,
		Restarts: cfg.Supervisor.Restarts, Window: cfg.Supervisor.Window,
		MaxWaiters: cfg.QR.WaitersPerSession, MaxWaitersTotal: cfg.QR.WaitersTotal,
		MaxSends: actorSends, SendTimeout: cfg.Send.Timeout, SaveTimeout: saveTimeout,
		Connecting: cmp.Or(cfg.Session.Connecting, 2*runtime.GOMAXPROCS(0)), Prepare: a.pictures.Prepare,
		BootRate: cfg.Boot.Rate, BootJitter: cfg.Boot.Jitter,
	}
}

// saveTimeout bounds one write of what was observed of a session; it is tried again when it fails.
const saveTimeout = 10 * time.Second

func (a *App) onStop(name string, do func(context.Context) error) {
	a.stops = append(a.stops, stop{name, do})
}

// Addr is the address that HTTP is served on.
func (a *App) Addr() string { return a.http.Addr() }

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
	return errors.Join(failed, a.stopBounded(ctx))
}

func (a *App) stopBounded(ctx context.Context) error {
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.Shutdown.Timeout)
	defer cancel()
	err := a.Stop(stopping)
	a.log.Info("stopped")
	return err
}
