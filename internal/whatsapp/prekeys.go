package whatsapp

import (
	"context"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/util/keys"
)

// batchedPreKeys generates prekeys in one transaction. whatsmeow inserts each of the 812 keys of a first login on its
// own. Each insert would then be a disk flush, in a queue with the writes of all other sessions, and a hundred
// simultaneous pairings would exceed the connect deadline.
type batchedPreKeys struct {
	store.PreKeyStore
	db *dbutil.Database // PreKeyStore's database; PreKeyStore's statements join the transaction of their context
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
