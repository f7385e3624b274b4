package ratchet

import (
	"sync"

	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
)

// freshRecords is how many records are remembered between being serialized and being stored. Those of a large group are
// more, and are read from their bytes the next time.
const freshRecords = 256

// Format is whatsmeow's serializer of Signal sessions with a memory: bytes that a cache holds are not parsed again.
// The parsing of JSON would be the largest part of what a send costs. What is stored is what whatsmeow stores.
type Format struct {
	record.SessionSerializer

	mu sync.Mutex
	// known are the records behind the bytes that a cache holds, by their first byte. Nobody changes a record: whatsmeow
	// makes states of its own from it.
	known map[*byte]*record.SessionStructure
	fresh [freshRecords]freshRecord
	next  int
}

type freshRecord struct {
	bytes  *byte
	record *record.SessionStructure
}

// InstallFormat puts a Format into whatsmeow's package variable, which is read without a lock: once a process, before the
// first client.
func InstallFormat() *Format {
	format := &Format{SessionSerializer: store.SignalProtobufSerializer.Session, known: make(map[*byte]*record.SessionStructure)}
	store.SignalProtobufSerializer.Session = format
	return format
}

// Serialize implements record.SessionSerializer.
func (f *Format) Serialize(structure *record.SessionStructure) []byte {
	serialized := f.SessionSerializer.Serialize(structure)
	if len(serialized) > 0 {
		f.mu.Lock()
		f.fresh[f.next] = freshRecord{&serialized[0], structure}
		f.next = (f.next + 1) % freshRecords
		f.mu.Unlock()
	}
	return serialized
}

// Deserialize implements record.SessionSerializer.
func (f *Format) Deserialize(serialized []byte) (*record.SessionStructure, error) {
	if len(serialized) > 0 {
		f.mu.Lock()
		known, ok := f.known[&serialized[0]]
		for n := 0; n < freshRecords && !ok; n++ {
			if f.fresh[n].bytes == &serialized[0] {
				known, ok = f.fresh[n].record, true
			}
		}
		f.mu.Unlock()
		if ok {
			return known, nil
		}
	}
	return f.SessionSerializer.Deserialize(serialized)
}

// keepRecord remembers the record of bytes that were serialized just now, until dropRecord.
func (f *Format) keepRecord(serialized []byte) {
	if f == nil || len(serialized) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range freshRecords {
		at := (f.next - 1 - n + 2*freshRecords) % freshRecords
		if f.fresh[at].bytes == &serialized[0] {
			f.known[&serialized[0]] = f.fresh[at].record
			f.fresh[at] = freshRecord{}
			return
		}
	}
}

func (f *Format) dropRecord(serialized []byte) {
	if f == nil || len(serialized) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, &serialized[0])
}
