// Package disk stores the state of a server in a log of records and reads it at the next start.
//
// It does not interpret the records.
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
	// File is the file name of the log in its folder.
	File = "state.log"
	// saveEvery is how often changes are written. A killed server loses about that much.
	saveEvery = 100 * time.Millisecond
	// The log is rewritten when it is larger than compactMin bytes and more than compactFactor times as large as after
	// the last rewrite.
	compactFactor = 4
	compactMin    = 16 << 20
	// maxRecord bounds the size of a record, in bytes.
	maxRecord = 256 << 20
	// recordHeader is the size of a record's header: a length and a checksum, four bytes each.
	recordHeader = 8
)

// ErrRecord means that a record does not have the expected form.
var ErrRecord = errors.New("malformed record")

// ErrBusy means that another server uses the folder.
var ErrBusy = errors.New("another server uses this state folder")

// Record is a named part of the server's state. A later record replaces an earlier one with the same name. A record
// without a value deletes the earlier one.
type Record struct {
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v,omitempty"`
}

// Log is the stored state of a server. A record that was not written completely before the program died is cut off at
// the next start. Records before it are never touched.
type Log struct {
	path string
	log  *slog.Logger
	// collect emits the records that may have changed since its last call, or all of them.
	collect func(all bool, emit func(key string, value any) error) error

	mu     sync.Mutex
	file   *os.File
	lock   *os.File
	seed   maphash.Seed
	saved  map[string]uint64 // the hash of each record's value as it was last written
	size   int64
	first  int64 // the size after the last rewrite
	closed bool
	// broken says that the log may end in half a record. Nothing must be appended then.
	broken bool
}

// load reads a folder's log. It returns the last record of each name, in the order in which the names first appear.
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

// readRecord reads one record. It returns io.EOF at the end of the log, and also for a record that was not written
// completely.
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
		return Record{}, fmt.Errorf("malformed record: %w", err)
	}
	return record, nil
}

func cutOff(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// Open locks a folder, passes the records of its log to restore and writes a new log of everything that collect emits.
// It fails with ErrBusy if another server uses the folder.
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
		// The old log may end in half a record.
		err = d.Compact()
	}
	if err != nil {
		_ = lock.Close()
		return failed(err)
	}
	return d, nil
}

// Compact rewrites the log, so that it holds only the current records.
func (d *Log) Compact() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.compact()
}

// compact writes all current records to a new log and then puts it in the place of the old one by a rename. The caller
// holds the lock.
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

// SyncFolder makes changes of a folder's entries durable, such as new and renamed files.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// write appends the records that have changed, or all of them, and syncs the file. The caller holds the lock.
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
		// Forget what was written, so that the next write tries everything again.
		d.saved, d.broken = make(map[string]uint64), true
		return err
	}
	return d.file.Sync()
}

// Save writes what has changed since the last call. It rewrites the log instead if the log is broken or has grown too
// much.
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

// KeepSaving calls Save regularly until done is closed. A failed save is logged and tried again.
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

// Close saves for the last time and unlocks the folder. Further calls do nothing. It looks at every record: a change that
// nobody marked would be lost for good.
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
