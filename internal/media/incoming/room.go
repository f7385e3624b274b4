package incoming

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	// batch is the number of entries that one statement changes. Other writers wait no longer than one statement.
	batch = 200
	// evicted is the number of files that one query for the oldest files returns.
	evicted = 20
)

// room counts the space that files use on the disk.
type room struct {
	mu       sync.Mutex
	used     Usage
	reserved int64        // bytes reserved for running downloads
	making   sync.Mutex   // held while old files are deleted to make room
	changing sync.RWMutex // read-locked from a change in the database until it is counted here
}

func (r *room) usage() Usage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used
}

func (r *room) set(used Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used = used
}

// countKept replaces a reservation by the size of the downloaded file.
func (r *room) countKept(reserved, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved -= reserved
	r.used.Files++
	r.used.Bytes += size
	r.used.Waiting = max(0, r.used.Waiting-1)
}

func (r *room) remove(list []Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		r.used.Files = max(0, r.used.Files-1)
		r.used.Bytes = max(0, r.used.Bytes-list[i].Size)
	}
}

// reserve reserves room for a file. If there is not enough, it reserves nothing and returns the number of missing
// bytes.
func (r *room) reserve(size, limit int64) (missing int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit > 0 && r.used.Bytes+r.reserved+size > limit {
		return r.used.Bytes + r.reserved + size - limit
	}
	r.reserved += size
	return 0
}

func (r *room) unreserve(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved -= size
}

// space is the result of makeRoom.
type space int

const (
	enough  space = iota
	crowded       // running downloads have reserved the room
	tooOld        // the file is older than all others, so it would be the first to delete
)

// makeRoom reserves room for a file of the event at a position. It deletes the files of older events if necessary.
func (d *Downloader) makeRoom(ctx context.Context, size int64, pos uint64) (space, error) {
	d.room.making.Lock()
	defer d.room.making.Unlock()
	for {
		missing := d.room.reserve(size, d.options.MaxTotal)
		if missing == 0 {
			return enough, nil
		}
		oldest, err := d.ledger.Oldest(ctx, evicted)
		if err != nil {
			return enough, err
		}
		var leave []Entry
		var names []string
		for i := range oldest {
			if missing <= 0 {
				break
			}
			if oldest[i].Pos > pos {
				return tooOld, nil
			}
			leave, names = append(leave, oldest[i]), append(names, oldest[i].File)
			missing -= oldest[i].Size
		}
		if len(leave) == 0 {
			return crowded, nil
		}
		if err := d.discard(ctx, leave, names); err != nil {
			return enough, err
		}
		if err := d.removeGone(ctx); err != nil {
			return enough, err
		}
	}
}

// discard marks kept files as Gone and counts them out.
func (d *Downloader) discard(ctx context.Context, leave []Entry, names []string) error {
	d.room.changing.RLock()
	defer d.room.changing.RUnlock()
	err := d.ledger.Discard(ctx, names)
	if err == nil {
		d.room.remove(leave)
	}
	return err
}

// deleteExpired deletes files that are too old or too many, and files of deleted events and sessions.
func (d *Downloader) deleteExpired(ctx context.Context) {
	err := d.expire(ctx)
	if err == nil {
		err = d.removeGone(ctx)
	}
	if err == nil {
		err = d.count(ctx)
	}
	if err == nil && d.options.MaxTotal > 0 && d.room.usage().Bytes > d.options.MaxTotal {
		// The limit is lower than in an earlier process.
		_, err = d.makeRoom(ctx, 0, math.MaxUint64)
	}
	if err != nil && ctx.Err() == nil {
		d.log.Warn("incoming files: cannot delete old files; retrying", "err", err, "in", d.options.Every)
	}
}

// count reads the figures from the database, because a deleted session takes its files with it.
func (d *Downloader) count(ctx context.Context) error {
	d.room.changing.Lock()
	defer d.room.changing.Unlock()
	used, err := d.ledger.Usage(ctx)
	if err == nil {
		d.room.set(used)
	}
	return err
}

// expire marks files as Gone that are too old, or whose events retention has deleted.
func (d *Downloader) expire(ctx context.Context) error {
	upTo := uint64(math.MaxInt64) // all files, because none should be kept
	if d.options.Age > 0 {
		var err error
		if upTo, err = d.ledger.RetentionFloor(ctx, d.options.Now().Add(-d.options.Age)); err != nil {
			return err
		}
	}
	for {
		n, err := d.ledger.Expire(ctx, upTo, batch)
		if err != nil || n < batch {
			return err
		}
	}
}

// removeGone deletes files that are Gone. A file that cannot be deleted now is tried again later.
func (d *Downloader) removeGone(ctx context.Context) error {
	for {
		files, err := d.ledger.Gone(ctx, batch)
		if err != nil {
			return err
		}
		var removed []string
		var failure error
		for _, file := range files {
			if err := d.store.Remove(file); err != nil {
				failure = err
				continue
			}
			removed = append(removed, file)
		}
		if err := d.ledger.Forget(ctx, removed); err != nil {
			return err
		}
		if failure != nil || len(files) < batch {
			return failure
		}
	}
}

// compareWithDisk compares the disk with the database. It deletes files that the database does not know, and lets
// missing ones wait for another download.
func (d *Downloader) compareWithDisk() error {
	began, strays, missing := time.Now(), 0, 0
	err := d.store.Walk(d.life, func(ctx context.Context, names []string) error {
		for len(names) > 0 {
			some := names[:min(batch, len(names))]
			names = names[len(some):]
			n, err := d.removeUnknown(ctx, some)
			strays += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for after := ""; ; {
		list, err := d.ledger.List(d.life, after, batch)
		if err != nil {
			return err
		}
		for i := range list {
			has, err := d.store.Has(list[i].File, list[i].Size)
			if err == nil && !has {
				missing++
				err = d.ledger.Again(d.life, list[i].File)
			}
			if err != nil {
				return err
			}
		}
		if len(list) < batch {
			break
		}
		after = list[len(list)-1].File
	}
	if strays+missing > 0 {
		d.log.Info("incoming files: disk compared with the database", "removed", strays, "missing", missing, "took", time.Since(began))
	}
	return nil
}

// removeUnknown deletes those of the files that are not Kept according to the database.
func (d *Downloader) removeUnknown(ctx context.Context, names []string) (removed int, err error) {
	known, err := d.ledger.Which(ctx, names)
	if err != nil {
		return 0, err
	}
	keep := make(map[string]bool, len(known))
	for _, name := range known {
		keep[name] = true
	}
	for _, name := range names {
		if keep[name] {
			continue
		}
		if err := d.store.Remove(name); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
