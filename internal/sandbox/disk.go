package sandbox

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
	stateFile = "state.log"
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

// ErrStateBusy means that another server keeps its state in the folder.
var ErrStateBusy = errors.New("another server uses this state folder")

// stateRecord is one thing that the server knows, under its name; a later record replaces an earlier one of the same
// name, and one without a value ends it.
type stateRecord struct {
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v,omitempty"`
}

// disk is the log of everything that a server knows. A record is written whole or, when the program dies meanwhile,
// is cut off at the next start: what was written before is never touched.
type disk struct {
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
func load(path string) ([]stateRecord, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: state: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	reader := bufio.NewReader(file)
	var records []stateRecord
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
func readRecord(r io.Reader) (stateRecord, error) {
	var header [recordHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return stateRecord{}, cutOff(err)
	}
	size := binary.BigEndian.Uint32(header[:4])
	if size > maxRecord {
		return stateRecord{}, io.EOF
	}
	var raw bytes.Buffer
	if _, err := io.CopyN(&raw, r, int64(size)); err != nil {
		return stateRecord{}, cutOff(err)
	}
	if crc32.ChecksumIEEE(raw.Bytes()) != binary.BigEndian.Uint32(header[4:]) {
		return stateRecord{}, io.EOF
	}
	var record stateRecord
	if err := json.Unmarshal(raw.Bytes(), &record); err != nil {
		return stateRecord{}, fmt.Errorf("a record is not one of this program: %w", err)
	}
	return record, nil
}

func cutOff(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// compact writes everything to a new log, which takes the place of the old one in a moment. The caller holds the lock.
func (d *disk) compact() error {
	path := filepath.Join(d.path, stateFile)
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
	return syncFolder(d.path)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// write appends what has changed. The caller holds the lock.
func (d *disk) write(all bool) error {
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
		record, err := json.Marshal(stateRecord{key, raw})
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

// save writes what has changed since the last time.
func (d *disk) save() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	if d.broken || d.size > compactMin && d.size > compactFactor*d.first {
		return d.compact()
	}
	return d.write(false)
}

// keepSaving saves until done is closed. What fails is tried again.
func (d *disk) keepSaving(done <-chan struct{}) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := d.save(); err != nil {
				d.log.Error("the sandbox's state was not saved", "err", err)
			}
		case <-done:
			return
		}
	}
}

// close saves for the last time and lets go of the folder. It may be called again.
func (d *disk) close() error {
	err := d.save()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	if err = errors.Join(err, d.file.Close(), d.lock.Close()); err != nil {
		return fmt.Errorf("sandbox: state: %w", err)
	}
	return nil
}
