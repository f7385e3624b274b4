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

// Catalog describes the files that the log's events carry. Errors carry a session.Code.
type Catalog interface {
	// Describe gives what is known of a file, with its Remote; CodeMediaGone where no event that is kept carries it.
	Describe(ctx context.Context, id session.ID, media string) (message.Media, error)
}

// Sessions fetch the files from WhatsApp: session.FetchMedia.
type Sessions interface {
	session.Door
	// Ready reports that a session can fetch now. It does not block.
	Ready(id session.ID) bool
}

// Store is the files on the disk, by the names of their entries. Errors: CodeStoreFull, CodeStoreUnavailable.
type Store interface {
	// Begin makes an empty file, Keep gives it its place, whole and for good, and Drop throws it away.
	Begin(name string) (*os.File, error)
	Keep(f *os.File, name string) (size int64, err error)
	Drop(f *os.File, name string)
	// Open gives a file to be read; CodeMediaGone where there is none.
	Open(name string) (*os.File, error)
	// Has reports that there is a file with so many bytes.
	Has(name string, size int64) (bool, error)
	// Remove deletes a file; one that is not there is no error.
	Remove(name string) error
	// Walk gives the names of all files.
	Walk(ctx context.Context, each func(ctx context.Context, names []string) error) error
}

// Observer counts. Its methods never block.
type Observer interface {
	// MediaKept saw a file that is now on the disk, and how long it took to come.
	MediaKept(took time.Duration)
	// MediaNotKept saw an attempt that failed, or a file that is not kept, and why.
	MediaNotKept(cause session.Code)
}

type unobserved struct{}

func (unobserved) MediaKept(time.Duration)   {}
func (unobserved) MediaNotKept(session.Code) {}

// Options tune a Downloader. The zero value of a field means its default.
type Options struct {
	Age      time.Duration  // since the message came; 0: nothing is kept, and what was kept before is deleted
	MaxTotal int64          // bytes of all files; 0 is no limit
	MaxFile  int64          // bytes of one file; 0 is no limit
	Kinds    []message.Kind // that are kept; none: all
	Workers  int            // files that come at the same time, of sessions that answer well; default 4

	Slow        time.Duration // a file that takes longer does not count among Workers any more; default 5 s
	Stall       time.Duration // without a byte for so long a fetch has failed; noticed within twice that; default 30 s
	RetryMin    time.Duration // pause before a file is tried again; it doubles; default 2 s
	RetryMax    time.Duration // longest pause; default 30 min
	MaxAttempts int           // that may fail before a file is given up; default 32: more than half a day
	Pause       time.Duration // after the disk or the database refused something; it doubles, five times; default 10 s
	Every       time.Duration // between two looks for what has to go; default 1 min

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

// slowShare is how many times Workers may wait for sessions that are slow or fail.
const slowShare = 4

// Downloader fetches files as their messages come and keeps them as long as it may. A session has one file on its way at a
// time; one whose files do not come takes no place from the others. What was not fetched is fetched by the next process.
// All methods are safe for concurrent use, and none but Start, Stop and Open waits.
type Downloader struct {
	ledger  Entries
	catalog Catalog
	from    Sessions // from Start on
	store   Store
	options Options
	log     *slog.Logger

	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup
	tidy chan struct{} // asks for a look at what has to go
	once sync.Once     // Start

	lanes lanes
	room  room
}

// New makes a downloader that does nothing before Start.
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

// Start begins, with what an earlier process left: half files and files that nobody knows are removed, those that are
// missing are fetched. It may be told of sessions and of arrivals before.
func (d *Downloader) Start(from Sessions) {
	d.once.Do(func() {
		d.from = from
		d.work.Go(d.run)
	})
}

// Stop ends what is on its way and waits for it. What was not fetched waits for the next process. It is idempotent and
// legal before Start.
func (d *Downloader) Stop(context.Context) error {
	d.once.Do(func() {})
	d.lanes.close()
	d.end()
	d.work.Wait()
	return nil
}

// Arrived is told that a session's log has a new event with a file.
func (d *Downloader) Arrived(id session.ID) {
	if d.options.Age > 0 {
		d.lanes.wake(id, false)
	}
}

// SessionChanged is told every change of a session's state.
func (d *Downloader) SessionChanged(id session.ID, state session.State, _ session.Cause) {
	if state == session.Ready && d.options.Age > 0 {
		d.lanes.wake(id, true)
	}
}

// SessionRemoved is told that a session is being deleted.
func (d *Downloader) SessionRemoved(id session.ID) {
	d.lanes.remove(id)
	select {
	case d.tidy <- struct{}{}:
	default:
	}
}

// Open gives a session's kept file to be read, by the id of its media, and what became of it: "" where it never was to be
// kept. The file is nil unless it is Kept. The caller closes it.
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
	// Somebody removed it, or the database was moved without its files.
	if err := d.ledger.Again(ctx, entry.File); err != nil {
		return nil, "", err
	}
	d.Arrived(id)
	return nil, Waiting, nil
}

// Stats are the figures of now.
type Stats struct {
	Usage
	Paused bool // the disk or the database refuses files: nothing is fetched until the next try
}

// Stats says how much is kept. Waiting is as of the last look, a minute ago at most.
func (d *Downloader) Stats() Stats {
	return Stats{Usage: d.room.usage(), Paused: d.lanes.isPaused()}
}

// run is the downloader's own goroutine.
func (d *Downloader) run() {
	if !d.insist("compare with the disk", d.takeStock) {
		return
	}
	d.clear(d.life)
	if d.options.Age > 0 {
		var ids []session.ID
		if !d.insist("list sessions", func() (err error) {
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
		d.clear(d.life)
	}
}

// insist does something until it succeeds; false: Stop came first.
func (d *Downloader) insist(op string, do func() error) bool {
	for {
		err := do()
		if err == nil {
			return true
		}
		if d.life.Err() != nil {
			return false
		}
		d.log.Warn("files are not kept yet; trying again", "op", op, "err", err, "in", d.options.Pause)
		if !pause.Sleep(d.life.Done(), d.options.Pause) {
			return false
		}
	}
}

// unfit says why a file is not kept at all; "" where it is.
func (d *Downloader) unfit(entry *Entry) State {
	switch limit := d.largest(); {
	case len(d.options.Kinds) > 0 && !slices.Contains(d.options.Kinds, entry.Kind):
		return Unwanted
	case limit > 0 && entry.Size > limit:
		return TooLarge
	default:
		return ""
	}
}

// largest is how many bytes a file may have; 0 is no limit.
func (d *Downloader) largest() int64 {
	if d.options.MaxFile > 0 && d.options.MaxTotal > 0 {
		return min(d.options.MaxFile, d.options.MaxTotal)
	}
	return max(d.options.MaxFile, d.options.MaxTotal)
}
