package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"wasup/internal/media/outgoing"
	"wasup/internal/store"
)

// openSpool opens the folder for the files of outgoing messages.
func (a *App) openSpool() (*outgoing.Spool, error) {
	cfg := a.cfg.Media
	return outgoing.New(outgoing.Options{
		Dir: mediaDir(cfg.Dir, a.cfg.Store.DSN), MaxSize: int64(cfg.MaxSize), FetchTimeout: cfg.FetchTimeout,
		AllowPrivate: cfg.AllowPrivate, Log: a.log,
	})
}

// mediaDir is the folder that is configured, or the one beside the database.
func mediaDir(configured, dsn string) string {
	if configured != "" {
		return configured
	}
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		return filepath.FromSlash("./data/wasup.media")
	}
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".media"
}

// sweepEvery is the pause between two looks for files that nobody needs.
const sweepEvery = 10 * time.Minute

// sweep removes the files that no message needs, until the app stops.
func (a *App) sweep(spool *outgoing.Spool, messages *store.Outbox) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		spool.Keep(ctx, sweepEvery, a.cfg.Media.Keep, func(ctx context.Context, files []string) ([]string, error) {
			return inUse(ctx, messages, files)
		})
	}()
	a.onStop("media", func(stopping context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stopping.Done():
			return stopping.Err()
		}
	})
}

func inUse(ctx context.Context, messages *store.Outbox, files []string) ([]string, error) {
	var used []string
	for _, file := range files {
		switch needed, err := messages.UsesFile(ctx, file); {
		case err != nil:
			return nil, err
		case needed:
			used = append(used, file)
		}
	}
	return used, nil
}
