package whatsapp

import (
	"context"
	"log/slog"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/store/sqlstore/upgrades"

	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/ratchet"
	"wasup/internal/whatsapp/walog"
)

// tables gives a Dialer access to whatsmeow's tables.
type tables struct {
	db        *dbutil.Database // the database as the container uses it
	read      *dbutil.Database // reads what is committed
	container *sqlstore.Container
	ratchets  *ratchet.Shared
}

func openTables(ctx context.Context, cfg *Config) (*tables, error) {
	db, container, err := upgradedTables(ctx, cfg.DB, cfg.Log)
	if err != nil {
		return nil, err
	}
	reading := sqlstore.NewWithWrappedDB(cfg.Read.Child("whatsmeow_version", upgrades.Table, nil), walog.New("store", walog.Output{Log: cfg.Log}))
	t := &tables{db: db, read: cfg.Read, container: container, ratchets: ratchet.New(ctx, ratchet.Config{
		DB: cfg.DB, Read: cfg.Read, Commit: cfg.Commit, Writing: container, Reading: reading, Format: sessionRecords(), Log: cfg.Log,
	})}
	// If ctx ended meanwhile, some statements are not prepared, and nothing would prepare them later.
	if err := ctx.Err(); err != nil {
		t.ratchets.Close()
		return nil, codes.StoreError("open device tables", "", err)
	}
	return t, nil
}

// UpgradeTables creates whatsmeow's tables or upgrades them to this version, as Dialer.Start does. It is for callers that
// need the tables without a client. Errors are *session.Error with a code of the store.
func UpgradeTables(ctx context.Context, db *dbutil.Database, log *slog.Logger) error {
	_, _, err := upgradedTables(ctx, db, log)
	return err
}

// upgradedTables upgrades whatsmeow's tables and returns whatsmeow's view of the database. The tables have their own
// version table, so that they upgrade independently of the caller's.
func upgradedTables(ctx context.Context, db *dbutil.Database, log *slog.Logger) (*dbutil.Database, *sqlstore.Container, error) {
	child := db.Child("whatsmeow_version", upgrades.Table, nil)
	container := sqlstore.NewWithWrappedDB(child, walog.New("store", walog.Output{Log: log}))
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	if err := container.Upgrade(ctx); err != nil {
		return nil, nil, codes.StoreError("upgrade device tables", "", err)
	}
	return child, container, nil
}
