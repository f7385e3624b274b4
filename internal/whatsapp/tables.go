package whatsapp

import (
	"context"
	"log/slog"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/store/sqlstore/upgrades"
)

// UpgradeTables creates whatsmeow's tables or upgrades them to this version, as New does. It is for callers that need
// the tables without a client. Errors are *session.Error with a code of the store.
func UpgradeTables(ctx context.Context, db *dbutil.Database, log *slog.Logger) error {
	_, _, err := upgradedTables(ctx, db, log)
	return err
}

// upgradedTables upgrades whatsmeow's tables and returns whatsmeow's view of the database. The tables have their own
// version table, so that they upgrade independently of the caller's.
func upgradedTables(ctx context.Context, db *dbutil.Database, log *slog.Logger) (*dbutil.Database, *sqlstore.Container, error) {
	child := db.Child("whatsmeow_version", upgrades.Table, nil)
	container := sqlstore.NewWithWrappedDB(child, newLogger(log, "store"))
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	if err := container.Upgrade(ctx); err != nil {
		return nil, nil, storeError("upgrade device tables", "", err)
	}
	return child, container, nil
}
