package incoming

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"wasup/internal/message"
	"wasup/internal/pause"
	"wasup/internal/session"
)

// Catalog describes the files that events of the log carry. Errors carry a session.Code.
type Catalog interface {
	// Describe returns the description of a file, with its Remote; CodeMediaGone if no event in the log carries it.
	Describe(ctx context.Context, id session.ID, media string) (message.Media, error)
}

// Sessions downloads the files from WhatsApp, by the verb message.FetchMedia.
type Sessions interface {
	session.Door
	// Ready reports whether a session can download now. It does not block.
	Ready(id session.ID) bool
}

// Store is the disk with the files. Their names are those of the entries. Errors: CodeStoreFull, CodeStoreUnavailable.
type Store interface {
	// Begin makes an empty temporary file. Keep makes it a permanent one and returns its size, and Drop deletes it.
	Begin(name string) (*os.File, error)
	Keep(f *os.File, name string) (size int64, err error)
	Drop(f *os.File, name string)
	// Open opens a file for reading; CodeMediaGone if there is none.
	Open(name string) (*os.File, error)
	// Has reports whether there is a file with exactly size bytes.
	Has(name string, size int64) (bool, error)
	// Remove deletes a file. It is no error if there is none.
	Remove(name string) error
	// Walk calls each with the names of all files, in several parts.
	Walk(ctx context.Context, each func(ctx context.Context, names []string) error) error
}

// Observer counts downloads, for metrics. Its methods never block.
type Observer interface {
	// MediaKept is called when a file is on the disk. took is the time of the download.
	MediaKept(took time.Duration)
	// MediaNotKept is called after a failed attempt, and when a file is not kept, with the reason.
	MediaNotKept(cause session.Code)
}

type unobserved struct{}

func (unobserved) MediaKept(time.Duration)   {}
func (unobserved) MediaNotKept(session.Code) {}

// Options configures a Downloader. The zero value of a field means its default.
type Options struct {
	Age      time.Duration  // how long files are kept after their message; 0: none is kept, and old ones are deleted
	MaxTotal int64          // bytes of all files together; 0: no limit
	MaxFile  int64          // bytes of one file; 0: no limit
	Kinds    []message.Kind // kinds of messages whose files are kept; empty: all
	Workers  int            // concurrent downloads of sessions without failures; default 4

	Slow        time.Duration // a download that takes longer moves to the pool of slow ones; default 5 s
	Stall       time.Duration // a download without a new byte for so long has failed; found within twice that; default 30 s
	RetryMin    time.Duration // pause before the second attempt; doubles with each failure; default 2 s
	RetryMax    time.Duration // longest pause; default 30 min
	MaxAttempts int           // failed attempts until a file is given up; default 32: more than half a day
	Pause       time.Duration // pause after an error of the disk or the database; doubles up to five times; default 10 s
	Every       time.Duration // time between two searches for files to delete; default 1 min

	Observer Observer
	Logger   *slog.Logger // default: discard
	Now      func() time.Time
}

func (o Options) withDefaults() Options {
	o.Workers = cmp.Or(max(0, o.Workers), 4)
	o.Slow = cmp.Or(o.Slow, 5*time.Second)
	o.Stall = cmp.Or(o.Stall, 30*time.Second)
	o.RetryMin = cmp.Or(o.RetryMin, 2*time.Second)
	o.RetryMax = cmp.Or(o.RetryMax, 30*time.Minute)
	o.MaxAttempts = cmp.Or(o.MaxAttempts, 32)
	o.Pause = cmp.Or(o.Pause, 10*time.Second)
	o.Every = cmp.Or(o.Every, time.Minute)
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// slowShare is the size of the pool for slow and failing sessions, as a multiple of Workers.
const slowShare = 4

// Downloader downloads files when their messages come, and deletes them when they are too old or too many. A session
// downloads one file at a time. Sessions whose downloads are slow or fail do not delay the others. After a restart, the
// next process downloads the missing files. All methods are safe for concurrent use. Only Stop and Open block.
type Downloader struct {
	ledger  Entries
	catalog Catalog
	from    Sessions // set by Start
	store   Store
	options Options
	log     *slog.Logger

	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup
	tidy chan struct{} // asks for a search for files to delete
	once sync.Once     // Start

	lanes lanes
	room  room
}

// New makes a downloader. It does nothing before Start.
func New(ledger Entries, catalog Catalog, store Store, options Options) *Downloader {
	options = options.withDefaults()
	life, end := context.WithCancel(context.Background())
	d := &Downloader{
		ledger: ledger, catalog: catalog, store: store, options: options, log: options.Logger,
		life: life, end: end, tidy: make(chan struct{}, 1),
	}
	d.lanes.init(d)
	return d
}

// Start starts the downloader. It first compares the disk with the database: it deletes unknown files, and downloads
// missing ones again. Arrived and the methods about sessions may be called before Start.
func (d *Downloader) Start(_ context.Context, from Sessions) error {
	d.once.Do(func() {
		d.from = from
		d.work.Go(d.run)
	})
	return nil
}

// Stop cancels running downloads and waits for them to end. The next process downloads their files. It is idempotent
// and legal before Start.
func (d *Downloader) Stop(context.Context) error {
	d.once.Do(func() {})
	d.lanes.close()
	d.end()
	d.work.Wait()
	return nil
}

// Arrived notes that a session's log has a new event with a file.
func (d *Downloader) Arrived(id session.ID) {
	if d.options.Age > 0 {
		d.lanes.wake(id, false)
	}
}

// SessionChanged notes a change of a session's state. A READY session downloads at once.
func (d *Downloader) SessionChanged(id session.ID, state session.State, _ session.Cause) {
	if state == session.Ready && d.options.Age > 0 {
		d.lanes.wake(id, true)
	}
}

// SessionRemoved notes that a session is being deleted.
func (d *Downloader) SessionRemoved(id session.ID) {
	d.lanes.remove(id)
	select {
	case d.tidy <- struct{}{}:
	default:
	}
}

// Open opens a session's file by the id of its media, and returns the state of the file: "" if it was never selected
// for keeping. The file is nil unless the state is Kept. The caller closes it.
func (d *Downloader) Open(ctx context.Context, id session.ID, media string) (*os.File, State, error) {
	entry, err := d.ledger.Find(ctx, id, media)
	switch {
	case session.CodeOf(err) == session.CodeNotFound:
		return nil, "", nil
	case err != nil:
		return nil, "", err
	case entry.State != Kept:
		return nil, entry.State, nil
	}
	f, err := d.store.Open(entry.File)
	if session.CodeOf(err) != session.CodeMediaGone {
		return f, Kept, err
	}
	// Somebody deleted the file, or the database was moved without the files.
	if err := d.ledger.Again(ctx, entry.File); err != nil {
		return nil, "", err
	}
	d.Arrived(id)
	return nil, Waiting, nil
}

// Stats are the current figures of a Downloader.
type Stats struct {
	Usage
	Paused bool // the disk or the database fails: downloads pause until the next attempt
}

// Stats returns the number and size of the files. Waiting may be as old as Options.Every.
func (d *Downloader) Stats() Stats {
	return Stats{Usage: d.room.usage(), Paused: d.lanes.isPaused()}
}

// run runs in the downloader's own goroutine. It deletes files, and starts the lanes of an earlier process.
func (d *Downloader) run() {
	if !d.retryUntilDone("compare with the disk", d.compareWithDisk) {
		return
	}
	d.deleteExpired(d.life)
	if d.options.Age > 0 {
		var ids []session.ID
		if !d.retryUntilDone("list sessions", func() (err error) {
			ids, err = d.ledger.Sessions(d.life)
			return err
		}) {
			return
		}
		d.lanes.open(ids)
	}
	timer := time.NewTimer(d.options.Every)
	defer timer.Stop()
	for {
		select {
		case <-d.life.Done():
			return
		case <-d.tidy:
		case <-timer.C:
			timer.Reset(d.options.Every)
		}
		d.deleteExpired(d.life)
	}
}

// retryUntilDone calls do until it succeeds. It returns false if Stop comes first.
func (d *Downloader) retryUntilDone(op string, do func() error) bool {
	for {
		err := do()
		if err == nil {
			return true
		}
		if d.life.Err() != nil {
			return false
		}
		d.log.Warn("incoming files: cannot start to download; retrying", "op", op, "err", err, "in", d.options.Pause)
		if !pause.Sleep(d.life.Done(), d.options.Pause) {
			return false
		}
	}
}

// excluded returns the state of a file that the options exclude, or "" if it should be kept.
func (d *Downloader) excluded(entry *Entry) State {
	switch limit := d.largest(); {
	case len(d.options.Kinds) > 0 && !slices.Contains(d.options.Kinds, entry.Kind):
		return Unwanted
	case limit > 0 && entry.Size > limit:
		return TooLarge
	default:
		return ""
	}
}

// largest returns the maximum size of a file in bytes; 0: no limit.
func (d *Downloader) largest() int64 {
	if d.options.MaxFile > 0 && d.options.MaxTotal > 0 {
		return min(d.options.MaxFile, d.options.MaxTotal)
	}
	return max(d.options.MaxFile, d.options.MaxTotal)
}
