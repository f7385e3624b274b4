package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
)

// isHeld is the condition of the index of held messages.
const isHeld = `state = 'held'`

// Claim implements outbox.Ledger. A login of the same account, which is the rule, only reads.
func (o *Outbox) Claim(ctx context.Context, id session.ID, account session.Account) (outbox.Handover, error) {
	const op = "claim messages"
	owner, err := ownerIn(ctx, o.store.read, id)
	if err == nil && owner == identityOf(owner, account) && owner != (session.Account{}) {
		return outbox.Handover{}, nil
	}
	if err != nil {
		return outbox.Handover{}, failure(op, id, err)
	}
	var done outbox.Handover
	err = o.store.Commit(ctx, func(ctx context.Context) error {
		done = outbox.Handover{}
		owner, err := ownerIn(ctx, o.store.write, id)
		if err != nil {
			return err
		}
		now := o.store.options.Now()
		if owner != (session.Account{}) && !owner.Same(account) {
			done = outbox.Handover{Changed: true, Previous: owner}
			if done.Held, err = o.hold(ctx, id, now); err != nil {
				return err
			}
		}
		next := identityOf(owner, account)
		set, args := "owner_jid=$2, owner_lid=$3", []any{string(id), clean(next.JID), clean(next.LID)}
		if done.Changed {
			set, args = set+", owner_since=$4", append(args, millis(now))
		}
		if _, err := o.store.write.Exec(ctx, "UPDATE wasup_session SET "+set+" WHERE id=$1", args...); err != nil || !done.Changed {
			return err
		}
		return o.store.Events().Insert(ctx, outbox.AccountChanged(id, events.AccountChangedData{
			Previous: events.AccountOf(owner), Account: events.AccountOf(next), Held: done.Held, At: now.Truncate(time.Millisecond),
		}))
	})
	return done, failure(op, id, err)
}

// identityOf returns what is known of an account after a login: nothing of another account, and a LID that was known.
func identityOf(owner, account session.Account) session.Account {
	next := session.Account{JID: account.JID, LID: account.LID}
	if next.LID == "" && owner.Same(account) {
		next.LID = owner.LID
	}
	return next
}

func ownerIn(ctx context.Context, db *dbutil.Database, id session.ID) (owner session.Account, err error) {
	err = db.QueryRow(ctx, "SELECT owner_jid, owner_lid FROM wasup_session WHERE id=$1", string(id)).Scan(&owner.JID, &owner.LID)
	if errors.Is(err, sql.ErrNoRows) {
		err = notFound("claim messages", id)
	}
	return owner, err
}

// hold holds the open messages of a session, as part of a work, and returns their number.
func (o *Outbox) hold(ctx context.Context, id session.ID, now time.Time) (int, error) {
	held, err := o.store.write.Exec(ctx, "UPDATE wasup_outbox SET state=$2, updated_at=$3 WHERE session_id=$1 AND "+isOpen,
		string(id), string(message.Held), millis(now))
	if err != nil {
		return 0, err
	}
	n, err := held.RowsAffected()
	return int(n), err
}

// OwnedSince implements outbox.Ledger.
func (o *Outbox) OwnedSince(ctx context.Context, id session.ID) (time.Time, error) {
	const op = "read the owner of messages"
	var since int64
	err := o.store.read.QueryRow(ctx, "SELECT owner_since FROM wasup_session WHERE id=$1", string(id)).Scan(&since)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, notFound(op, id)
	}
	return timeOf(since), failure(op, id, err)
}

// Held implements outbox.Ledger.
func (o *Outbox) Held(ctx context.Context, id session.ID, limit int) ([]outbox.Entry, error) {
	page, err := o.rows(ctx, "session_id=$1 AND "+isHeld+" ORDER BY seq LIMIT $2", string(id), limit)
	return entries(page), failure("list held messages", id, err)
}

// HeldCounts implements outbox.Ledger.
func (o *Outbox) HeldCounts(ctx context.Context) (map[session.ID]int, error) {
	counts := map[session.ID]int{}
	rows, err := o.store.read.Query(ctx, "SELECT session_id, count(*) FROM wasup_outbox WHERE "+isHeld+" GROUP BY session_id")
	if err != nil {
		return nil, failure("count held messages", "", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id session.ID
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, failure("count held messages", "", err)
		}
		counts[id] = n
	}
	return counts, failure("count held messages", "", rows.Err())
}
