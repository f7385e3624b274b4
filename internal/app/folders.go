package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"wasup/internal/media/incoming"
	"wasup/internal/media/outgoing"
)

// folders are the folders for files. All of them are below media.dir.
type folders struct {
	outgoing *outgoing.Folder // files of outgoing messages
	kept     *incoming.Folder // kept files of incoming messages
	fetched  string           // temporary files of incoming messages that are read but not kept
}

func (a *App) openFolders() (folders, error) {
	cfg := a.cfg.Media
	dir := mediaDir(cfg.Dir, a.cfg.Store.DSN)
	f := folders{fetched: filepath.Join(dir, "incoming")}
	var err error
	f.outgoing, err = outgoing.New(outgoing.Options{
		Dir: dir, MaxSize: int64(cfg.MaxSize), MaxTotal: int64(cfg.MaxTotal), FetchTimeout: cfg.FetchTimeout, AllowPrivate: cfg.AllowPrivate, Log: a.log,
	})
	if err != nil {
		return folders{}, err
	}
	if err := os.MkdirAll(f.fetched, 0o700); err != nil {
		return folders{}, fmt.Errorf("media.dir: create the folder for incoming files: %w", err)
	}
	if f.kept, err = incoming.NewFolder(filepath.Join(dir, "kept")); err != nil {
		return folders{}, fmt.Errorf("media.dir: create the folder for kept files: %w", err)
	}
	return f, nil
}

// mediaDir returns the configured folder, or by default one beside the database.
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
