// Package disk keeps what a server knows in a log of records, which it reads at the next start.
//
// It knows nothing of what the records say.
package disk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// File is the name of the log in its folder.
	File = "state.log"
	// saveEvery is how often what has changed is written, and so about how much a killed server forgets.
	saveEvery = 100 * time.Millisecond
	// The log is written anew when it has grown to more than compactFactor times what it began with and is larger
	// than compactMin, in bytes.
	compactFactor = 4
	compactMin    = 16 << 20
	// maxRecord bounds a record, in bytes.
	maxRecord = 256 << 20
	// recordHeader is a length and a checksum, four bytes each.
	recordHeader = 8
)

// ErrRecord means that a record cannot be read.
var ErrRecord = errors.New("a record is not one of this program")

// ErrBusy means that another server keeps its state in the folder.
var ErrBusy = errors.New("another server uses this state folder")

// Record is one thing that the server knows, under its name; a later record replaces an earlier one of the same
// name, and one without a value ends it.
type Record struct {
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v,omitempty"`
}

// Log is the log of everything that a server knows. A record is written whole or, when the program dies meanwhile,
// is cut off at the next start: what was written before is never touched.
type Log struct {
	path string
	log  *slog.Logger
	// collect tells what changed since it was asked last, or everything.
	collect func(all bool, emit func(key string, value any) error) error

	mu     sync.Mutex
	file   *os.File
	lock   *os.File
	seed   maphash.Seed
	saved  map[string]uint64 // the hash of what was written last
	size   int64
	first  int64 // the size when the log was written anew
	closed bool
	// broken says that the log may end in half a record, so that nothing must be written after it.
	broken bool
}

// load reads a folder's log: the last record of each name, in the order of their first.
func load(path string) ([]Record, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: state: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	reader := bufio.NewReader(file)
	var records []Record
	at := make(map[string]int)
	for {
		record, err := readRecord(reader)
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, fmt.Errorf("sandbox: state: %w", err)
		}
		if i, known := at[record.Key]; known {
			records[i].Value = record.Value
			continue
		}
		at[record.Key] = len(records)
		records = append(records, record)
	}
}

// readRecord reads one record. The end of the log, be it in the middle of a record that was never finished, is io.EOF.
func readRecord(r io.Reader) (Record, error) {
	var header [recordHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Record{}, cutOff(err)
	}
	size := binary.BigEndian.Uint32(header[:4])
	if size > maxRecord {
		return Record{}, io.EOF
	}
	var raw bytes.Buffer
	if _, err := io.CopyN(&raw, r, int64(size)); err != nil {
		return Record{}, cutOff(err)
	}
	if crc32.ChecksumIEEE(raw.Bytes()) != binary.BigEndian.Uint32(header[4:]) {
		return Record{}, io.EOF
	}
	var record Record
	if err := json.Unmarshal(raw.Bytes(), &record); err != nil {
		return Record{}, fmt.Errorf("a record is not one of this program: %w", err)
	}
	return record, nil
}

func cutOff(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// Open takes a folder, hands what is in its log to restore, and begins a new log with what collect then tells.
func Open(path string, log *slog.Logger, collect func(all bool, emit func(string, any) error) error, restore func([]Record) error) (*Log, error) {
	failed := func(err error) (*Log, error) { return nil, fmt.Errorf("sandbox: state in %q: %w", path, err) }
	if err := os.MkdirAll(path, 0o700); err != nil {
		return failed(err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return failed(err)
	}
	d := &Log{path: path, log: log, lock: lock, seed: maphash.MakeSeed(), collect: collect}
	if err = lockFile(lock); err == nil {
		var records []Record
		if records, err = load(filepath.Join(path, File)); err == nil {
			err = restore(records)
		}
	}
	if err == nil {
		// The end of the old log may be half a record.
		err = d.Compact()
	}
	if err != nil {
		_ = lock.Close()
		return failed(err)
	}
	return d, nil
}

// Compact writes everything to a new log.
func (d *Log) Compact() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.compact()
}

// compact writes everything to a new log, which takes the place of the old one in a moment. The caller holds the lock.
func (d *Log) compact() error {
	path := filepath.Join(d.path, File)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	old := d.file
	d.file, d.size, d.saved = file, 0, make(map[string]uint64)
	err = d.write(true)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		_ = file.Close()
		d.file, d.saved, d.broken = old, make(map[string]uint64), true
		return err
	}
	if old != nil {
		_ = old.Close() // its name is gone
	}
	d.first, d.broken = d.size, false
	return SyncFolder(d.path)
}

// SyncFolder makes what happened in a folder durable.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// write appends what has changed. The caller holds the lock.
func (d *Log) write(all bool) error {
	var pending bytes.Buffer
	flush := func() error {
		n, err := d.file.Write(pending.Bytes())
		d.size += int64(n)
		pending.Reset()
		return err
	}
	err := d.collect(all, func(key string, value any) error {
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		sum := maphash.Bytes(d.seed, raw)
		if was, known := d.saved[key]; known && was == sum {
			return nil
		}
		d.saved[key] = sum
		record, err := json.Marshal(Record{key, raw})
		if err != nil {
			return err
		}
		pending.Write(binary.BigEndian.AppendUint32(nil, uint32(len(record))))
		pending.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(record)))
		pending.Write(record)
		if pending.Len() > 1<<20 {
			return flush()
		}
		return nil
	})
	if err == nil && pending.Len() > 0 {
		err = flush()
	} else if err == nil && !all {
		return nil
	}
	if err != nil {
		// What was not written has to be tried again.
		d.saved, d.broken = make(map[string]uint64), true
		return err
	}
	return d.file.Sync()
}

// Save writes what has changed since the last time.
func (d *Log) Save() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	return d.save(false)
}

// save writes what has changed, or looks at everything for it. The caller holds the lock.
func (d *Log) save(all bool) error {
	if d.broken || d.size > compactMin && d.size > compactFactor*d.first {
		return d.compact()
	}
	return d.write(all)
}

// KeepSaving saves until done is closed. What fails is tried again.
func (d *Log) KeepSaving(done <-chan struct{}) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := d.Save(); err != nil {
				d.log.Error("the sandbox's state was not saved", "err", err)
			}
		case <-done:
			return
		}
	}
}

// Close saves for the last time and lets go of the folder. It may be called again. It looks at everything: what nobody
// said had changed would be lost for good.
func (d *Log) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	if err := errors.Join(d.save(true), d.file.Close(), d.lock.Close()); err != nil {
		return fmt.Errorf("sandbox: state: %w", err)
	}
	return nil
}
