package whatsapp

import (
	"context"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/util/keys"
)

// preKeyBatch is how many prekeys are generated in one transaction: few enough that no other session waits long for the
// database's one writer.
const preKeyBatch = 100

// batchedPreKeys generates prekeys in batches, each in one transaction. whatsmeow inserts each of the 812 keys of a first
// login by itself; every one is then a flush of the disk, in a queue with all other sessions' writes, and a hundred
// pairings at once run into the connect deadline.
type batchedPreKeys struct {
	store.PreKeyStore
	db *dbutil.Database // the one behind PreKeyStore, whose statements join the transaction of their context
}

// GetOrGenPreKeys asks for more and more: what an earlier batch made counts towards the next.
func (b batchedPreKeys) GetOrGenPreKeys(ctx context.Context, count uint32) (made []*keys.PreKey, err error) {
	for uint32(len(made)) < count {
		wanted := min(count, uint32(len(made))+preKeyBatch)
		err = b.db.DoTxn(ctx, nil, func(ctx context.Context) error {
			made, err = b.PreKeyStore.GetOrGenPreKeys(ctx, wanted)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return made, nil
}
