package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
)

// maxPage is the number of messages on a page at most.
const maxPage = 1000

func (o *Outbox) rows(ctx context.Context, rest string, args ...any) ([]row, error) {
	found, err := o.store.read.Query(ctx, "SELECT "+outboxColumns+" FROM wasup_outbox WHERE "+rest, args...)
	return dbutil.NewRowIterWithError(found, scanRow, err).AsList()
}

func entries(rows []row) []outbox.Entry {
	list := make([]outbox.Entry, len(rows))
	for i := range rows {
		list[i] = rows[i].Entry
	}
	return list
}

// Next implements outbox.Ledger. The index separates messages for later from the others, so they do not slow it down.
func (o *Outbox) Next(ctx context.Context, id session.ID, now time.Time, limit int) ([]outbox.Entry, time.Time, error) {
	const op = "read queue"
	page, err := o.rows(ctx, "session_id=$1 AND send_at=0 AND "+isOpen+" ORDER BY seq LIMIT $2", string(id), limit)
	if err != nil {
		return nil, time.Time{}, failure(op, id, err)
	}
	timed, err := o.rows(ctx, "session_id=$1 AND send_at>0 AND "+isOpen+" ORDER BY send_at, seq LIMIT $2", string(id), limit)
	if err != nil {
		return nil, time.Time{}, failure(op, id, err)
	}
	var due time.Time
	for i := range timed {
		if timed[i].SendAt.After(now) {
			due = timed[i].SendAt
			break
		}
		page = append(page, timed[i])
	}
	slices.SortFunc(page, func(a, b row) int { return cmp.Compare(a.seq, b.seq) })
	return entries(page[:min(limit, len(page))]), due, nil
}

// Backlog implements outbox.Ledger.
func (o *Outbox) Backlog(ctx context.Context) ([]outbox.Backlog, error) {
	rows, err := o.store.read.Query(ctx, `
		SELECT session_id, count(*), min(CASE WHEN send_at>0 THEN send_at ELSE created_at END)
		FROM wasup_outbox WHERE `+isOpen+` GROUP BY session_id`)
	list, err := dbutil.NewRowIterWithError(rows, func(from dbutil.Scannable) (b outbox.Backlog, err error) {
		var oldest int64
		err = from.Scan(&b.Session, &b.Open, &oldest)
		b.Oldest = timeOf(oldest)
		return b, err
	}, err).AsList()
	return list, failure("read backlog", "", err)
}

// Expired implements outbox.Ledger.
func (o *Outbox) Expired(ctx context.Context, now time.Time, limit int) ([]outbox.Entry, time.Time, error) {
	const op = "read expired messages"
	page, err := o.rows(ctx, "expires_at>0 AND expires_at<=$1 AND "+isOpen+" ORDER BY expires_at LIMIT $2", millis(now), limit)
	if err != nil {
		return nil, time.Time{}, failure(op, "", err)
	}
	held, err := o.rows(ctx, "expires_at>0 AND expires_at<=$1 AND "+isHeld+" ORDER BY expires_at LIMIT $2", millis(now), max(0, limit-len(page)))
	if err != nil {
		return nil, time.Time{}, failure(op, "", err)
	}
	var first time.Time
	for _, condition := range []string{isOpen, isHeld} {
		var next sql.NullInt64
		err = o.store.read.QueryRow(ctx, "SELECT min(expires_at) FROM wasup_outbox WHERE expires_at>0 AND expires_at>$1 AND "+condition,
			millis(now)).Scan(&next)
		if err != nil {
			return nil, time.Time{}, failure(op, "", err)
		}
		if at := timeOf(next.Int64); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return entries(append(page, held...)), first, nil
}

// Sent implements outbox.Ledger.
func (o *Outbox) Sent(ctx context.Context, id session.ID, since time.Time) (n int, err error) {
	err = o.store.read.QueryRow(ctx, "SELECT count(*) FROM wasup_outbox WHERE session_id=$1 AND acked_at>=$2",
		string(id), millis(since)).Scan(&n)
	return n, failure("count sent messages", id, err)
}

// Message implements outbox.Ledger.
func (o *Outbox) Message(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	const op = "read message"
	found, err := scanRow(o.store.read.QueryRow(ctx,
		"SELECT "+outboxColumns+" FROM wasup_outbox WHERE session_id=$1 AND message_id=$2", string(id), messageID))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return message.Message{}, &session.Error{Code: session.CodeUnknownMessage, Op: op, Session: id}
	case err != nil:
		return message.Message{}, failure(op, id, err)
	}
	found.Receipts, err = o.receipts(ctx, found.seq)
	return found.Message, failure(op, id, err)
}

// Revoked reports whether a session has deleted a message of its account for everyone: WhatsApp has acknowledged the
// revocation.
func (o *Outbox) Revoked(ctx context.Context, id session.ID, messageID string) (bool, error) {
	var one int
	err := o.store.read.QueryRow(ctx, "SELECT 1 FROM wasup_outbox WHERE session_id=$1 AND revokes=$2 AND revokes<>'' AND acked_at>0 LIMIT 1",
		string(id), messageID).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, failure("look up revocation", id, err)
}

// List implements outbox.Ledger.
func (o *Outbox) List(ctx context.Context, id session.ID, filter message.Filter) ([]message.Message, string, error) {
	limit := filter.Limit
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	list := page{
		columns: outboxColumns, table: "wasup_outbox", where: "e.session_id=$1", key: "seq", newest: true, limit: "$2", large: "body", bytes: events.PageBytes,
	}
	args := []any{string(id), limit + 1}
	if filter.Cursor != "" {
		before, err := strconv.ParseInt(filter.Cursor, 36, 64)
		if err != nil || before < 0 {
			return nil, "", &session.Error{
				Code: session.CodeInvalidRequest, Op: "list messages", Session: id, Field: "cursor",
				Message: "cursor: expected the cursor that the previous page returned",
			}
		}
		list.where += " AND e.seq<$3"
		args = append(args, before)
	}
	list.where += stateCondition(filter.States)
	size := 0
	found, err := o.store.read.Query(ctx, list.sql(o.store.postgres()), args...)
	rows, err := listUpTo(found, err, list.bytes, scanRow, func(r *row) int { size += r.size; return r.size })
	if err != nil {
		return nil, "", failure("list messages", id, err)
	}
	next := ""
	if len(rows) > limit || size >= list.bytes {
		rows = rows[:min(limit, len(rows))]
		next = strconv.FormatInt(rows[len(rows)-1].seq, 36)
	}
	messages := make([]message.Message, len(rows))
	for i := range rows {
		messages[i] = rows[i].Message
	}
	return messages, next, nil
}

// stateCondition returns the SQL condition for states. For rare states it repeats the condition of their partial index,
// so that the database uses the index.
func stateCondition(states []message.State) string {
	only := func(some ...message.State) bool {
		return !slices.ContainsFunc(states, func(s message.State) bool { return !slices.Contains(some, s) })
	}
	var out strings.Builder
	switch {
	case len(states) == 0:
		return ""
	case only(message.Failed, message.Cancelled):
		out.WriteString(" AND " + isEnded)
	case only(message.Queued, message.Sending):
		out.WriteString(" AND " + isOpen)
	case only(message.Held):
		out.WriteString(" AND " + isHeld)
	}
	fmt.Fprintf(&out, " AND state IN (%s)", literals(states))
	return out.String()
}

// UsedFiles returns those of the given outgoing files that a message still needs.
func (o *Outbox) UsedFiles(ctx context.Context, files []string) (used []string, err error) {
	for _, file := range files {
		var one int
		err := o.store.read.QueryRow(ctx, "SELECT 1 FROM wasup_outbox WHERE file=$1 AND file <> '' LIMIT 1", file).Scan(&one)
		switch {
		case err == nil:
			used = append(used, file)
		case !errors.Is(err, sql.ErrNoRows):
			return nil, failure("look up file", "", err)
		}
	}
	return used, nil
}

// Prune implements outbox.Ledger.
func (o *Outbox) Prune(ctx context.Context, what outbox.Retention) (int, error) {
	n, err := o.prune(ctx, what.Before, what.Limit)
	if err != nil || what.Keep <= 0 || n >= what.Limit {
		return n, failure("prune messages", "", err)
	}
	var kept int // two counts, because each is made with an index alone
	err = o.store.read.QueryRow(ctx, "SELECT (SELECT count(*) FROM wasup_outbox WHERE "+isSettled+
		")-(SELECT count(*) FROM wasup_outbox WHERE "+isHeld+")").Scan(&kept)
	if err != nil {
		return n, failure("prune messages", "", err)
	}
	if kept <= what.Keep {
		return n, nil
	}
	more, err := o.prune(ctx, what.KeyBefore, min(what.Limit-n, kept-what.Keep))
	return n + more, failure("prune messages", "", err)
}

func (o *Outbox) prune(ctx context.Context, before time.Time, limit int) (int, error) {
	var n int64
	err := o.store.Commit(ctx, func(ctx context.Context) error {
		done, err := o.store.write.Exec(ctx, `
			DELETE FROM wasup_outbox WHERE seq IN (
				SELECT seq FROM wasup_outbox WHERE updated_at<$1 AND `+isSettled+` AND NOT (`+isHeld+`) ORDER BY updated_at LIMIT $2)`,
			millis(before), limit)
		if err != nil {
			return err
		}
		n, err = done.RowsAffected()
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}
