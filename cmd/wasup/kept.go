package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"wasup/configs"
	"wasup/httpapi/media"
	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/media/outgoing"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/metrics"
	"wasup/supervisor"
)

// arrivals are the files of incoming messages as httpapi wants them.
type arrivals struct {
	*events.Files
	keeper *incoming.Keeper
}

func (f arrivals) Kept(ctx context.Context, id session.ID, name string) (media.KeptFile, error) {
	file, state, err := f.keeper.Open(ctx, id, name)
	held := media.KeptFile{State: string(state)}
	if err != nil || file == nil {
		return held, err
	}
	if held.Size, err = sizeOf(file, id); err == nil {
		held.File = file // and no interface that holds a nil
	}
	return held, err
}

func (f arrivals) Fetch(ctx context.Context, id session.ID, file session.Media) (io.ReadCloser, int64, error) {
	fetched, err := f.Files.Fetch(ctx, id, file)
	if err != nil {
		return nil, 0, err
	}
	size, err := sizeOf(fetched, id)
	if err != nil {
		return nil, 0, err
	}
	return fetched, size, nil
}

// sizeOf is how many bytes an open file has; it closes one that does not say.
func sizeOf(file interface {
	io.Closer
	Stat() (os.FileInfo, error)
}, id session.ID,
) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return 0, &session.Error{Code: session.CodeStoreUnavailable, Op: "fetch media", Session: id, Err: err}
	}
	return info.Size(), nil
}

// source is where kept files come from.
type source struct {
	outlet
	*events.Files
}

// keep starts what keeps the files of incoming messages, before any session runs. It ends before the sessions do.
func (a *App) keep(db *store.Store) (arrivals, error) {
	dir := mediaDir(a.cfg.Media.Dir, a.cfg.Store.DSN)
	fetched := filepath.Join(dir, "incoming")
	if err := os.MkdirAll(fetched, 0o700); err != nil {
		return arrivals{}, fmt.Errorf("media.dir: the folder for incoming files cannot be made: %w", err)
	}
	shelf, err := outgoing.NewShelf(filepath.Join(dir, "kept"))
	if err != nil {
		return arrivals{}, fmt.Errorf("media.dir: the folder for kept files cannot be made: %w", err)
	}
	files := events.NewFiles(a.events, a.sessions, fetched)
	keeper := incoming.New(db.Kept(), source{outlet{a.sessions}, files}, shelf, a.keeping())
	if age := a.cfg.Events.RetentionAge; age > 0 && a.cfg.Media.KeepIncoming > age {
		a.log.Warn("files of incoming messages go with their events: events.retention_age is shorter than media.keep_incoming",
			"retention_age", age, "keep_incoming", a.cfg.Media.KeepIncoming)
	}
	a.keeper.Store(keeper)
	keeper.Start()
	a.onStop("kept files", keeper.Stop)
	return arrivals{files, keeper}, nil
}

func (a *App) keeping() incoming.Options {
	cfg := a.cfg.Media
	options := incoming.Options{
		Age: cfg.KeepIncoming, MaxTotal: int64(cfg.KeepIncomingTotal), MaxFile: int64(cfg.KeepIncomingMaxSize),
		Observer: a.metrics, Logger: a.log,
	}
	for _, kind := range configs.Listed(cfg.KeepIncomingKinds) {
		options.Kinds = append(options.Kinds, session.Kind(kind))
	}
	if a.between.keeping != nil {
		a.between.keeping(&options)
	}
	return options
}

// keptFigures are the kept files as metrics wants them.
func (a *App) keptFigures() metrics.KeptMedia {
	keeper := a.keeper.Load()
	if keeper == nil {
		return metrics.KeptMedia{}
	}
	now := keeper.Stats()
	return metrics.KeptMedia{Files: now.Files, Waiting: now.Waiting, Bytes: now.Bytes, Paused: now.Paused}
}

// filed tells the keeper what the supervisor's observer hears.
type filed struct {
	supervisor.Observer
	keeper *atomic.Pointer[incoming.Keeper]
}

func (f filed) SessionChanged(id session.ID, state session.State, cause session.Cause) {
	if keeper := f.keeper.Load(); keeper != nil {
		keeper.SessionChanged(id, state)
	}
	f.Observer.SessionChanged(id, state, cause)
}

func (f filed) SessionRemoved(id session.ID) {
	if keeper := f.keeper.Load(); keeper != nil {
		keeper.SessionRemoved(id)
	}
	f.Observer.SessionRemoved(id)
}

var _ incoming.Observer = (*metrics.Metrics)(nil)
