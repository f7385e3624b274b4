package whatsapp

import (
	"context"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/util/keys"
)

// batchedPreKeys generates prekeys in one transaction. whatsmeow inserts each of the 812 keys of a first login by
// itself; every one is then a flush of the disk, in a queue with all other sessions' writes, and a hundred pairings at
// once run into the connect deadline.
type batchedPreKeys struct {
	store.PreKeyStore
	db *dbutil.Database // the one behind PreKeyStore, whose statements join the transaction of their context
}

func (b batchedPreKeys) GetOrGenPreKeys(ctx context.Context, count uint32) (batch []*keys.PreKey, err error) {
	err = b.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		batch, err = b.PreKeyStore.GetOrGenPreKeys(ctx, count)
		return err
	})
	if err != nil {
		return nil, err
	}
	return batch, nil
}
