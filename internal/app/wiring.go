package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"wasup/httpapi"
	httpevents "wasup/httpapi/events"
	"wasup/internal/accept"
	"wasup/internal/contacts"
	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/media/outgoing"
	"wasup/internal/outbox"
	"wasup/internal/store"
	"wasup/internal/webhooks"
	"wasup/internal/whatsapp"
	"wasup/supervisor"
)

// start makes the parts, each from those before it, and starts them. If two parts need each other, the one that is made
// first gets the other one when it starts. The outbox and the downloader are such parts: they follow the sessions and
// also use them.
func (a *App) start(ctx context.Context) error {
	if err := vacant(ctx, a.cfg.HTTP.Listen); err != nil {
		return err
	}
	db, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	if err := a.startEvents(ctx, db); err != nil {
		return err
	}
	if err := a.startWebhooks(ctx, db); err != nil {
		return err
	}
	if err := a.startRetention(ctx); err != nil {
		return err
	}
	folders, err := a.openFolders()
	if err != nil {
		return err
	}
	a.outbox = outbox.New(db.Outbox(), a.sending())
	a.downloader = incoming.New(db.Kept(), events.NewCatalog(a.events), folders.kept, a.downloading())
	dialer, err := a.startDialer(ctx, db, folders.outgoing)
	if err != nil {
		return err
	}
	a.sessions = supervisor.New(a.supervision(dialer, db))
	db.OnRecovery(a.sessions.StoreRecovered)
	a.onStop("sessions", a.sessions.Stop)
	a.onStop("outbox", a.outbox.Stop)
	if err := a.outbox.Start(ctx, a.sessions); err != nil {
		return err
	}
	if err := a.startSweeping(ctx, folders.outgoing, db.Outbox()); err != nil {
		return err
	}
	a.onStop("incoming files", a.downloader.Stop)
	if err := a.downloader.Start(ctx, a.sessions); err != nil {
		return err
	}
	if err := a.makeServer(db, folders); err != nil {
		return err
	}
	a.metrics.Watch(a.figures(db, dialer))
	if err := a.sessions.Boot(ctx); err != nil {
		return err
	}
	a.log.Info("stored sessions found", "sessions", len(a.sessions.List()), "connecting", a.sessions.Readiness().Wanted, "database", db.Where())
	return a.listen(ctx)
}

// vacant checks that the port is free. HTTP is served last, so without this check a start that fails because the port is
// taken would leave a new database behind.
func vacant(ctx context.Context, addr string) error {
	var probe net.ListenConfig
	l, err := probe.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("http.listen: %s is taken by another process; choose another address with --http.listen or WASUP_HTTP_LISTEN: %w", addr, syscall.EADDRINUSE)
	default:
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
}

func (a *App) openStore(ctx context.Context) (*store.Store, error) {
	db, err := store.Open(ctx, a.cfg.Store.DSN, storeOptions(a.cfg, a.log))
	if err != nil {
		return nil, err
	}
	a.lost = db.Lost()
	if a.between.opened != nil {
		a.between.opened(db)
	}
	a.onStop("store", func(context.Context) error { return db.Close() })
	return db, nil
}

// startEvents starts the durable log and the feed that writes changes of sessions to it. Both stop after the sessions,
// so that the log gets the last changes of state.
func (a *App) startEvents(ctx context.Context, db *store.Store) error {
	a.events = events.NewLog(db.Events(), events.Options{BufferBytes: a.cfg.Events.Memory, Logger: a.log, Observer: a.metrics})
	if err := a.events.Start(ctx); err != nil {
		return err
	}
	a.onStop("events", a.events.Stop)
	a.feed = events.NewFeed(a.events, httpevents.Describer{Now: time.Now, Log: a.log}.Describe, a.log)
	a.onStop("feed", a.feed.Stop)
	return a.feed.Start(ctx)
}

// startWebhooks starts the delivery of events to webhooks. It stops after the sessions, so that receivers that answer
// quickly still get the last events, and before the log that it reads.
func (a *App) startWebhooks(ctx context.Context, db *store.Store) error {
	grown := a.events.Watch()
	a.onStop("webhooks' watch", func(context.Context) error { grown.Close(); return nil })
	a.webhooks = webhooks.New(db.Webhooks(), grown, a.delivering())
	a.onStop("webhooks", a.webhooks.Stop)
	return a.webhooks.Start(ctx)
}

// startRetention starts the deletion of old events. It stops before the webhooks, because it tells them which events
// they will not get.
func (a *App) startRetention(ctx context.Context) error {
	retention := events.NewRetention(a.events, a.keeping(), nil)
	a.onStop("retention", retention.Stop)
	return retention.Start(ctx)
}

// startDialer starts the dialer of the WhatsApp clients. The clients write incoming events to the inbox.
func (a *App) startDialer(ctx context.Context, db *store.Store, files *outgoing.Folder) (*whatsapp.Dialer, error) {
	received := inbox{a.events, a.outbox, a.downloader}
	dialer, err := whatsapp.New(whatsapp.Config{
		WebsocketURL: a.cfg.WhatsApp.WebsocketURL, RootPublicKey: a.cfg.WhatsApp.RootPublicKey,
		Proxy: a.cfg.WhatsApp.Proxy, ProxyPoolSize: a.cfg.WhatsApp.ProxyPoolSize,
		DB: db.DB(), Read: db.ReadDB(), Commit: db.Commit, Devices: db.Sessions(),
		Journal: received, Sent: received.sent, Revoked: db.Outbox().Revoked, Aliases: db.Aliases(), Timers: db.Timers(), Claim: a.outbox.Claim,
		KeepAliveStale: a.cfg.Session.KeepaliveStale, Files: files, Log: a.log,
	})
	if err != nil {
		return nil, err
	}
	a.onStop("whatsapp", dialer.Stop)
	return dialer, dialer.Start(ctx)
}

// supervision is the configuration of the supervisor. The outbox is the first follower, so that a message can be sent as
// soon as any other follower learns that the session is READY.
func (a *App) supervision(dialer *whatsapp.Dialer, db *store.Store) supervisor.Config {
	cfg := a.supervising()
	cfg.Dialer, cfg.Refresher, cfg.Store = dialer, dialer, db.Sessions()
	cfg.StoreFails = func() bool { return db.Failing() != nil }
	cfg.Observer, cfg.Snapshots, cfg.Erased = a.metrics, a.feed, a.webhooks.SessionRemoved
	cfg.Followers = slices.Concat(a.between.followers, []supervisor.Follower{a.outbox, a.downloader, a.metrics})
	cfg.Prepare = a.pictures.Prepare
	if a.between.dialer != nil {
		cfg.Dialer = a.between.dialer(dialer)
	}
	return cfg
}

// sweepEvery is the pause between two searches for files that no message needs.
const sweepEvery = 10 * time.Minute

// startSweeping starts the deletion of files that no message needs.
func (a *App) startSweeping(ctx context.Context, files *outgoing.Folder, messages *store.Outbox) error {
	sweeper := outgoing.NewSweeper(files, sweepEvery, a.cfg.Media.Keep, messages.UsedFiles)
	a.onStop("media", sweeper.Stop)
	return sweeper.Start(ctx)
}

// makeServer makes the HTTP server, which needs all other parts.
func (a *App) makeServer(db *store.Store, folders folders) error {
	numbers, err := contacts.New(a.sessions, contacts.Options{TTL: a.cfg.Contacts.TTL, PerMinute: a.cfg.Contacts.PerMinute})
	if err != nil {
		return err
	}
	files := events.NewFiles(a.events, a.sessions, folders.fetched)
	sessions := counted{a.sessions, a.outbox}
	a.http, err = httpapi.New(a.serving(), httpapi.Deps{
		Sessions: sessions, Slots: sessions, Supervision: tree{a.sessions}, Links: a.sessions, Live: live{a.events}, Received: arrivals{files, a.downloader},
		Sender: sender{a.outbox}, Messages: a.outbox, Files: folders.outgoing, Door: a.sessions, Contacts: numbers,
		Webhooks: a.webhooks, Deliveries: a.webhooks, Pictures: a.pictures,
		Health: health{db, a.sessions}, Observer: a.metrics,
		Metrics: a.metrics.Handler(), Version: a.version, Log: a.log,
	})
	return err
}

// listen begins to serve HTTP. Every stored session must be known by then, because a request for an unknown session is
// answered with not found.
func (a *App) listen(ctx context.Context) error {
	if err := a.http.Start(ctx); err != nil {
		return err
	}
	a.onStop("http", a.http.Stop)
	a.log.Info("listening", "http", a.http.Addr(), "max_connections", a.http.Connections().Max, "version", a.version)
	if most, descriptors := a.cfg.HTTP.MaxConnections, accept.Descriptors(); descriptors > 0 && uint64(most) > descriptors/2 {
		a.log.Warn("http.max_connections leaves few file descriptors to the sessions and the database: raise the limit of the process (ulimit -n)",
			"max_connections", most, "descriptors", descriptors)
	}
	return nil
}
