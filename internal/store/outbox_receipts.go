package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
)

// Receipt implements outbox.Ledger.
func (o *Outbox) Receipt(ctx context.Context, id session.ID, data events.ReceiptData, told ...events.Event) (steps []outbox.Step, err error) {
	state := message.State(data.Status)
	var known []string
	switch state {
	case message.Delivered, message.Read, message.Played:
		if known, err = o.sentOf(ctx, id, data.IDs); err != nil {
			return nil, failure("note receipt", id, err)
		}
	default: // the receipt reports no state of a message
	}
	if len(known) == 0 { // most receipts are about messages of other devices
		return nil, o.store.Events().Append(ctx, told...)
	}
	err = o.store.Commit(ctx, func(ctx context.Context) error {
		steps = steps[:0]
		for _, messageID := range known {
			step, err := o.applyReceipt(ctx, id, messageID, state, &data)
			if err != nil {
				return err
			}
			if step != nil {
				steps = append(steps, *step)
			}
		}
		return o.store.Events().Insert(ctx, told...)
	})
	if err != nil {
		return nil, failure("note receipt", id, err)
	}
	return steps, nil
}

// sentOf returns those of the messages that the session sent from here, with one statement.
func (o *Outbox) sentOf(ctx context.Context, id session.ID, messageIDs []string) ([]string, error) {
	if len(messageIDs) == 0 {
		return nil, nil
	}
	names, args := inList(messageIDs)
	rows, err := o.store.read.Query(ctx, "SELECT message_id FROM wasup_outbox WHERE message_id IN ("+names+
		") AND session_id=$"+strconv.Itoa(len(args)+1)+" ORDER BY seq", append(args, string(id))...)
	return dbutil.NewRowIterWithError(rows, dbutil.ScanSingleColumn[string], err).AsList()
}

// applyReceipt stores what a receipt reports about one message. It returns nil if the message's state does not change.
func (o *Outbox) applyReceipt(ctx context.Context, id session.ID, messageID string, state message.State, data *events.ReceiptData) (*outbox.Step, error) {
	entry, err := scanRow(o.store.write.QueryRow(ctx,
		"SELECT "+outboxColumns+" FROM wasup_outbox WHERE session_id=$1 AND message_id=$2", string(id), messageID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // another device sent it
	} else if err != nil {
		return nil, err
	}
	if to := string(entry.To); data.FromMe && to != data.Sender.PN && to != data.Sender.LID {
		self, err := o.store.Aliases().IsAlias(ctx, to, data.Sender)
		if err != nil || !self {
			return nil, err // one of our own devices has it, which says nothing about the recipient
		}
	}
	if err := o.storeDeviceReceipt(ctx, entry.seq, state, data); err != nil {
		return nil, err
	}
	ended := entry.State == message.Failed || entry.State == message.Cancelled
	if !ended && entry.State.Reached(state) {
		return nil, nil //nolint:nilnil // the message has this state or a later one
	}
	step := outbox.Step{ID: messageID, From: entry.State, To: state, Acked: entry.AckedAt, Since: entry.CreatedAt}
	if step.Acked.IsZero() {
		step.Acked = data.At // the recipient got it from the server, so the server has accepted it
	}
	if entry.SendAt.After(step.Since) {
		step.Since = entry.SendAt
	}
	delivered, read, played := entry.DeliveredAt, entry.ReadAt, entry.PlayedAt
	for _, mark := range []struct {
		of message.State
		at *time.Time
	}{{message.Delivered, &delivered}, {message.Read, &read}, {message.Played, &played}} {
		if mark.at.IsZero() && state.Reached(mark.of) {
			*mark.at = data.At
		}
	}
	_, err = o.store.write.Exec(ctx, `
		UPDATE wasup_outbox SET state=$2, acked_at=$3, delivered_at=$4, read_at=$5, played_at=$6, updated_at=$7,
			error_code='', error_status=0, error_message=''`+dropContent+` WHERE seq=$1`,
		entry.seq, string(state), millis(step.Acked), millis(delivered), millis(read), millis(played), millis(o.store.options.Now()))
	if err != nil {
		return nil, err
	}
	return &step, o.store.Events().Insert(ctx, outbox.Status(id, events.StatusData{
		ID: messageID, To: entry.To, State: string(state), At: data.At,
	}))
}

// storeDeviceReceipt stores a receipt of one device. It keeps the first time of each kind: delivered, read, played.
func (o *Outbox) storeDeviceReceipt(ctx context.Context, seq int64, state message.State, data *events.ReceiptData) error {
	column := map[message.State]string{
		message.Delivered: "delivered_at", message.Read: "read_at", message.Played: "played_at",
	}[state]
	_, err := o.store.write.Exec(ctx, `
		INSERT INTO wasup_receipt (message, recipient, device, lid, pn, `+column+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (message, recipient, device) DO UPDATE SET `+column+`=excluded.`+column+` WHERE wasup_receipt.`+column+`=0`,
		seq, clean(data.Sender.String()), data.Device, clean(data.Sender.LID), clean(data.Sender.PN), millis(data.At))
	return err
}

func (o *Outbox) receipts(ctx context.Context, seq int64) ([]message.Receipt, error) {
	rows, err := o.store.read.Query(ctx,
		"SELECT device, lid, pn, delivered_at, read_at, played_at FROM wasup_receipt WHERE message=$1 ORDER BY recipient, device", seq)
	list, err := dbutil.NewRowIterWithError(rows, func(from dbutil.Scannable) (r message.Receipt, err error) {
		var delivered, read, played int64
		err = from.Scan(&r.Device, &r.Recipient.LID, &r.Recipient.PN, &delivered, &read, &played)
		r.DeliveredAt, r.ReadAt, r.PlayedAt = timeOf(delivered), timeOf(read), timeOf(played)
		return r, err
	}, err).AsList()
	slices.SortStableFunc(list, func(a, b message.Receipt) int { return cmp.Compare(firstReceipt(&a), firstReceipt(&b)) })
	return list, err
}

// firstReceipt returns the time of a device's first receipt, in Unix milliseconds.
func firstReceipt(r *message.Receipt) int64 {
	first := int64(0)
	for _, at := range []time.Time{r.DeliveredAt, r.ReadAt, r.PlayedAt} {
		if ms := millis(at); ms != 0 && (first == 0 || ms < first) {
			first = ms
		}
	}
	return first
}
