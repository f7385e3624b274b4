package store

import (
	"context"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/session"
)

// DetachDevice takes the device from its session and marks it as one that WhatsApp still has to unlink, in one
// transaction. The session can be linked again at once. It does nothing if the session has no device.
func (s *Sessions) DetachDevice(ctx context.Context, id session.ID) error {
	now := millis(s.store.options.Now())
	err := s.store.write.DoTxn(ctx, nil, func(ctx context.Context) error {
		_, err := s.store.write.Exec(ctx, `
			INSERT INTO wasup_unlink (device_jid, session_id, proxy, since)
			SELECT device_jid, id, proxy, CAST($2 AS BIGINT) FROM wasup_session WHERE id=$1 AND device_jid<>''
			ON CONFLICT (device_jid) DO NOTHING`, string(id), now)
		if err != nil {
			return err
		}
		_, err = s.store.write.Exec(ctx, "UPDATE wasup_session SET device_jid='', updated_at=$2 WHERE id=$1 AND device_jid<>''", string(id), now)
		return err
	})
	return failure("detach device", id, err)
}

// ToUnlink lists the devices that WhatsApp still has to unlink, in the order in which their attempts are due: a device that was
// never tried comes before those that could not be unlinked.
func (s *Sessions) ToUnlink(ctx context.Context) ([]session.Detached, error) {
	rows, err := s.store.read.Query(ctx, "SELECT device_jid, session_id, proxy, since, attempts, next_at FROM wasup_unlink ORDER BY next_at, since, device_jid")
	marks, err := dbutil.NewRowIterWithError(rows, scanUnlink, err).AsList()
	if err != nil {
		return nil, failure("list devices to unlink", "", err)
	}
	return marks, nil
}

func scanUnlink(row dbutil.Scannable) (session.Detached, error) {
	var u session.Detached
	var since, next int64
	err := row.Scan(&u.Device, &u.Session, &u.Proxy, &since, &u.Attempts, &next)
	u.Since, u.Next = timeOf(since), timeOf(next)
	return u, err
}

// UnlinkFailed stores that another attempt to unlink a device has failed, and when the next one is due.
func (s *Sessions) UnlinkFailed(ctx context.Context, device string, attempts int, next time.Time) error {
	_, err := s.store.write.Exec(ctx, "UPDATE wasup_unlink SET attempts=$2, next_at=$3 WHERE device_jid=$1", device, attempts, millis(next))
	return failure("save device to unlink", "", err)
}

// MarkedToUnlink reports whether WhatsApp still has to unlink a device.
func (s *Sessions) MarkedToUnlink(ctx context.Context, device string) (marked bool, err error) {
	err = s.store.read.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM wasup_unlink WHERE device_jid=$1)", device).Scan(&marked)
	return marked, failure("look up device to unlink", "", err)
}

// UnlinkOver removes the mark of a device that is unlinked or given up, and reports whether there was one.
func (s *Sessions) UnlinkOver(ctx context.Context, device string) (marked bool, err error) {
	done, err := s.store.write.Exec(ctx, "DELETE FROM wasup_unlink WHERE device_jid=$1", device)
	if err != nil {
		return false, failure("remove device to unlink", "", err)
	}
	n, err := done.RowsAffected()
	return n > 0, failure("remove device to unlink", "", err)
}
