package app

import (
	"cmp"
	"log/slog"
	"runtime"
	"time"

	"wasup/configs"
	"wasup/httpapi"
	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
	"wasup/supervisor"
)

const (
	// saveTimeout bounds one write of a session's observed state. A write that fails is repeated.
	saveTimeout = 10 * time.Second
	// sendMargin is added to the time limit of a send, so that a caller still gets the cause when the send times out.
	sendMargin = 15 * time.Second
)

func storeOptions(cfg configs.Config, log *slog.Logger) store.Options {
	return store.Options{
		Logger: log, MaxConns: cfg.Store.MaxConns, IdleConns: cfg.Store.IdleConns, AnswerTimeout: cfg.Store.Timeout,
		KeepMedia: cfg.Media.KeepIncoming > 0,
	}
}

func (a *App) supervising() supervisor.Config {
	cfg := a.cfg
	policy := session.DefaultPolicy()
	policy.FirstCodeTTL, policy.CodeTTL = cfg.QR.FirstTTL, cfg.QR.TTL
	policy.UnattendedAfter = cfg.QR.UnattendedAfter
	policy.ConnectDeadline, policy.PairingDeadline = cfg.Session.ConnectDeadline, cfg.Session.PairingDeadline
	policy.BackoffMin, policy.BackoffMax = cfg.Session.BackoffMin, cfg.Session.BackoffMax
	policy.MaxAttempts, policy.CoolDown = cfg.Session.MaxAttempts, cfg.Session.Cooldown
	return supervisor.Config{
		Policy: policy, Log: a.log,
		Restarts: cfg.Supervisor.Restarts, Window: cfg.Supervisor.Window,
		MaxWaiters: cfg.QR.WaitersPerSession, MaxWaitersTotal: cfg.QR.WaitersTotal,
		SendTimeout: cfg.Send.Timeout, SaveTimeout: saveTimeout, ReadyWait: cfg.Session.ReadyWait,
		Connecting: cmp.Or(cfg.Session.Connecting, 2*runtime.GOMAXPROCS(0)),
		BootRate:   cfg.Boot.Rate, BootJitter: cfg.Boot.Jitter,
	}
}

func (a *App) sending() outbox.Options {
	cfg := a.cfg.Send
	return outbox.Options{
		AttemptTimeout: cfg.Timeout + sendMargin, MaxOpen: cfg.Queue, MaxAttempts: unlimited(cfg.MaxAttempts), Window: cfg.Window,
		RetryMin: cfg.RetryMin, RetryMax: cfg.RetryMax,
		Rate: cfg.Rate, Jitter: cfg.Jitter, DailyCap: cfg.DailyCap,
		KeyRetention: cfg.KeyRetention, Retention: cfg.Retention, RetentionCount: unlimited(cfg.RetentionCount),
		Observer: a.metrics, Logger: a.log,
	}
}

// unlimited translates a limit. In the configuration 0 means no limit. In the outbox's options -1 does, and 0 means the
// default.
func unlimited(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

func (a *App) keeping() events.Keep {
	c := a.cfg.Events
	return events.Keep{
		Age: c.RetentionAge, Count: uint64(c.RetentionCount), Bytes: uint64(c.RetentionSize),
		MaxAge: c.MaxAge, MaxCount: uint64(c.MaxCount), MaxBytes: uint64(c.MaxSize), Missed: a.webhooks.Missed,
	}
}

func (a *App) delivering() webhooks.Options {
	c := a.cfg.Webhooks
	return webhooks.Options{
		Timeout: c.Timeout, RetryMin: c.RetryMin, RetryMax: c.RetryMax, RetryFor: c.RetryFor, KeepDead: c.KeepDead,
		Requests: c.Requests, PerWebhook: c.PerWebhook, Max: c.Max, PerSession: c.PerSession, AllowPrivate: c.AllowPrivate, AllowLoopback: c.AllowLoopback,
		Version: a.version, Log: a.log, Observer: a.metrics,
	}
}

func (a *App) downloading() incoming.Options {
	cfg := a.cfg.Media
	if age := a.cfg.Events.RetentionAge; age > 0 && cfg.KeepIncoming > age {
		a.log.Warn("files of incoming messages are deleted with their events: events.retention_age is shorter than media.keep_incoming",
			"retention_age", age, "keep_incoming", cfg.KeepIncoming)
	}
	options := incoming.Options{
		Age: cfg.KeepIncoming, MaxTotal: int64(cfg.KeepIncomingTotal), MaxFile: int64(cfg.KeepIncomingMaxSize),
		Observer: a.metrics, Logger: a.log,
	}
	for _, kind := range configs.Listed(cfg.KeepIncomingKinds) {
		options.Kinds = append(options.Kinds, message.Kind(kind))
	}
	if a.between.downloading != nil {
		a.between.downloading(&options)
	}
	return options
}

func (a *App) serving() httpapi.Config {
	return httpapi.Config{
		Listen: a.cfg.HTTP.Listen, QRWait: a.cfg.QR.Wait, BodyLimit: a.cfg.HTTP.BodyLimit, MaxAttempts: a.cfg.Session.MaxAttempts,
		SendTimeout: a.cfg.Send.Timeout + sendMargin, UploadKeep: a.cfg.Media.Keep, Connections: a.cfg.HTTP.MaxConnections,
		Hosts: configs.Listed(a.cfg.HTTP.Hosts), TrustedProxies: configs.Listed(a.cfg.HTTP.TrustedProxies), Origins: configs.Listed(a.cfg.HTTP.CORSOrigins),
	}
}
