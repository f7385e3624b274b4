package incoming

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	// batch is how many entries one statement changes: others that write wait that long and no longer.
	batch = 200
	// evicted is how many files are looked at when room is made.
	evicted = 20
)

// room is how much there is on the disk.
type room struct {
	mu       sync.Mutex
	used     Usage
	reserved int64        // bytes that are on their way
	making   sync.Mutex   // held while files make room for others
	changing sync.RWMutex // held, for reading, from a change of the ledger until it is counted here
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

// fill turns what was reserved for a file into what it takes.
func (r *room) fill(reserved, size int64) {
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

// reserve takes room, and else says how many bytes are missing.
func (r *room) reserve(size, limit int64) (missing int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit > 0 && r.used.Bytes+r.reserved+size > limit {
		return r.used.Bytes + r.reserved + size - limit
	}
	r.reserved += size
	return 0
}

func (r *room) release(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved -= size
}

type space int

const (
	enough  space = iota
	crowded       // with files that are on their way
	tooOld        // the file would be the first to go
)

// makeRoom reserves room for a file of an event. The files of the oldest events make it.
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

func (d *Downloader) discard(ctx context.Context, leave []Entry, names []string) error {
	d.room.changing.RLock()
	defer d.room.changing.RUnlock()
	err := d.ledger.Discard(ctx, names)
	if err == nil {
		d.room.remove(leave)
	}
	return err
}

// clear lets go what is too old or too much, or what belongs to an event or a session that is no more.
func (d *Downloader) clear(ctx context.Context) {
	err := d.expire(ctx)
	if err == nil {
		err = d.removeGone(ctx)
	}
	if err == nil {
		err = d.count(ctx)
	}
	if err == nil && d.options.MaxTotal > 0 && d.room.usage().Bytes > d.options.MaxTotal {
		// The limit was lowered.
		_, err = d.makeRoom(ctx, 0, math.MaxUint64)
	}
	if err != nil && ctx.Err() == nil {
		d.log.Warn("kept files that have to go are still there; trying again", "err", err, "in", d.options.Every)
	}
}

// count takes the figures from the ledger: sessions that were deleted took files with them.
func (d *Downloader) count(ctx context.Context) error {
	d.room.changing.Lock()
	defer d.room.changing.Unlock()
	used, err := d.ledger.Usage(ctx)
	if err == nil {
		d.room.set(used)
	}
	return err
}

func (d *Downloader) expire(ctx context.Context) error {
	upTo := uint64(math.MaxInt64) // everything: nothing is to be kept
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

// removeGone deletes files that have to go. Those that cannot be deleted now are tried again later.
func (d *Downloader) removeGone(ctx context.Context) error {
	for {
		files, err := d.ledger.Gone(ctx, batch)
		if err != nil {
			return err
		}
		var removed []string
		var trouble error
		for _, file := range files {
			if err := d.store.Remove(file); err != nil {
				trouble = err
				continue
			}
			removed = append(removed, file)
		}
		if err := d.ledger.Forget(ctx, removed); err != nil {
			return err
		}
		if trouble != nil || len(files) < batch {
			return trouble
		}
	}
}

// takeStock compares the disk with the ledger: files that nobody knows are removed, and those that are missing are to be
// fetched again.
func (d *Downloader) takeStock() error {
	began, strays, missing := time.Now(), 0, 0
	err := d.store.Walk(d.life, func(ctx context.Context, names []string) error {
		for len(names) > 0 {
			some := names[:min(batch, len(names))]
			names = names[len(some):]
			n, err := d.sweep(ctx, some)
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
		d.log.Info("kept files were compared with the database", "removed", strays, "missing", missing, "took", time.Since(began))
	}
	return nil
}

func (d *Downloader) sweep(ctx context.Context, names []string) (removed int, err error) {
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
