package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

const eventColumns = "e.pos, e.session_id, e.seq, e.at, e.type, e.key, e.data, e.remote"

func scanEvent(row dbutil.Scannable) (events.Event, error) {
	var (
		e           events.Event
		at          int64
		data        string
		key, remote sql.NullString
	)
	if err := row.Scan(&e.Pos, &e.Session, &e.Seq, &at, &e.Type, &key, &data, &remote); err != nil {
		return e, err
	}
	e.At, e.Key = timeOf(at), key.String
	setData(&e, data)
	if !remote.Valid {
		return e, nil
	}
	e.Remote = &message.Remote{}
	return e, json.Unmarshal([]byte(remote.String), e.Remote)
}

// setData sets the data of an event that was read. Earlier versions stored larger ones.
func setData(e *events.Event, data string) {
	e.Data = json.RawMessage(data)
	if len(data) > events.MaxData {
		e.Shortened, e.Data = len(data), events.Shorten(e.Type, e.Data)
	}
}

// Read implements events.Table.
func (e *Events) Read(ctx context.Context, q events.Query) (found []events.Event, upTo uint64, err error) {
	q = q.Bounded()
	// Read the end first: events stored during the read are after it, and are read next time.
	_, end, err := e.Bounds(ctx)
	if err != nil {
		return nil, 0, err
	}
	if end = max(end, q.After); end == q.After && q.AfterSeq == 0 {
		return nil, end, nil
	}
	if q.Session != "" && q.After > 0 {
		seq, err := e.seqAt(ctx, q.Session, q.After)
		if err != nil {
			return nil, 0, err
		}
		q.AfterSeq = max(q.AfterSeq, seq)
	}
	chosen, args := readQuery(q, end)
	rows, err := e.store.read.Query(ctx, chosen.sql(e.store.postgres()), args...)
	found, err = listUpTo(rows, err, q.Bytes, scanEvent, (*events.Event).Size)
	if err != nil {
		return nil, 0, failure("read events", q.Session, err)
	}
	if q.Full(found) {
		end = found[len(found)-1].Pos
	}
	return found, end, nil
}

// readQuery returns the page of a read and its arguments. It uses the index of the session, or that of the whole log.
func readQuery(q events.Query, end uint64) (page, []any) {
	args := []any{int64(end)}
	add := func(value any) string {
		args = append(args, value)
		return placeholder(len(args))
	}
	p := page{columns: eventColumns, table: "wasup_event", where: "e.pos <= $1", key: "pos", large: "data", bytes: q.Bytes}
	if q.Session == "" {
		p.where += " AND e.pos > " + add(int64(q.After))
	} else {
		p.where += " AND e.session_id = " + add(string(q.Session)) + " AND e.seq > " + add(int64(q.AfterSeq))
		p.index = "seq"
	}
	p.limit = add(q.Limit)
	wanted, args := typeFilter(q.Types, args...)
	p.where += wanted
	return p, args
}

// seqAt returns the number of the session's last event up to a position. It searches from the end, where most readers
// are.
func (e *Events) seqAt(ctx context.Context, id session.ID, pos uint64) (uint64, error) {
	var seq uint64
	err := e.store.read.QueryRow(ctx,
		"SELECT seq FROM wasup_event WHERE session_id=$1 AND pos<=$2 ORDER BY seq DESC LIMIT 1", string(id), int64(pos)).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, failure("read events", id, err)
}

// Bounds implements events.Table.
func (e *Events) Bounds(ctx context.Context) (first, last uint64, err error) {
	if last, err = e.LastSeq(ctx, ""); err != nil || last == 0 {
		return 0, last, err
	}
	var lowest sql.NullInt64
	if err = e.store.read.QueryRow(ctx, "SELECT min(pos) FROM wasup_event").Scan(&lowest); err != nil {
		return 0, 0, failure("read events", "", err)
	}
	if !lowest.Valid {
		return last + 1, last, nil
	}
	return uint64(lowest.Int64), last, nil
}

// LastSeq implements events.Table. With the empty id it returns the last position of the whole log.
func (e *Events) LastSeq(ctx context.Context, id session.ID) (last uint64, err error) {
	err = e.store.read.QueryRow(ctx, "SELECT last FROM wasup_event_head WHERE session_id=$1", string(id)).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return last, failure("read events", id, err)
}

// At implements events.Table by bisection: events are stored in the order of time, so it needs no index.
func (e *Events) At(ctx context.Context, at time.Time) (uint64, error) {
	first, last, err := e.Bounds(ctx)
	if err != nil || last == 0 {
		return 0, err
	}
	low, high := first, last+1 // the first event at this time or later is between low and high
	for low < high {
		middle := low + (high-low)/2
		var pos uint64
		var stored int64
		err := e.store.read.QueryRow(ctx, "SELECT pos, at FROM wasup_event WHERE pos>=$1 ORDER BY pos LIMIT 1", int64(middle)).Scan(&pos, &stored)
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && stored >= millis(at):
			high = middle
		case err != nil:
			return 0, failure("read events", "", err)
		default:
			low = pos + 1
		}
	}
	return max(low, 1) - 1, nil
}

// Find returns the event of the first key that the session's log has, or false if it has none of them.
func (e *Events) Find(ctx context.Context, id session.ID, keys ...string) (events.Event, bool, error) {
	for _, key := range keys {
		found, err := scanEvent(e.store.read.QueryRow(ctx,
			"SELECT "+eventColumns+" FROM wasup_event e WHERE session_id=$1 AND key=$2", string(id), key))
		if err == nil || !errors.Is(err, sql.ErrNoRows) {
			return found, err == nil, failure("find event", id, err)
		}
	}
	return events.Event{}, false, nil
}

// Media implements events.Table.
func (e *Events) Media(ctx context.Context, id session.ID, media string) (events.Event, error) {
	found, err := scanEvent(e.store.read.QueryRow(ctx,
		"SELECT "+eventColumns+" FROM wasup_event e WHERE session_id=$1 AND media=$2", string(id), media))
	if errors.Is(err, sql.ErrNoRows) {
		return found, notFound("find media", id)
	}
	return found, failure("find media", id, err)
}
