package ratchet

import (
	"sync"

	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
)

// recentRecords is how many records are kept between being serialized and being stored. A send to a large group makes
// more; the others are parsed again at their next use.
const recentRecords = 256

// Format is whatsmeow's serializer of Signal sessions with a cache: it does not parse again the bytes that a cache
// holds. Parsing would be the largest part of the cost of a send. The stored format is whatsmeow's.
type Format struct {
	record.SessionSerializer

	mu sync.Mutex
	// known maps bytes that a cache holds, by the address of their first byte, to their record. Nobody changes a record:
	// whatsmeow builds its own states from it.
	known  map[*byte]*record.SessionStructure
	recent [recentRecords]recentRecord
	next   int
}

type recentRecord struct {
	bytes  *byte
	record *record.SessionStructure
}

// InstallFormat sets whatsmeow's package variable to a new Format. whatsmeow reads the variable without a lock, so call
// this once a process, before the first client is made.
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
		f.recent[f.next] = recentRecord{&serialized[0], structure}
		f.next = (f.next + 1) % recentRecords
		f.mu.Unlock()
	}
	return serialized
}

// Deserialize implements record.SessionSerializer.
func (f *Format) Deserialize(serialized []byte) (*record.SessionStructure, error) {
	if len(serialized) > 0 {
		f.mu.Lock()
		known, ok := f.known[&serialized[0]]
		for n := 0; n < recentRecords && !ok; n++ {
			if f.recent[n].bytes == &serialized[0] {
				known, ok = f.recent[n].record, true
			}
		}
		f.mu.Unlock()
		if ok {
			return known, nil
		}
	}
	return f.SessionSerializer.Deserialize(serialized)
}

// keepRecord keeps the record of bytes that were just serialized, until dropRecord.
func (f *Format) keepRecord(serialized []byte) {
	if f == nil || len(serialized) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range recentRecords {
		at := (f.next - 1 - n + 2*recentRecords) % recentRecords
		if f.recent[at].bytes == &serialized[0] {
			f.known[&serialized[0]] = f.recent[at].record
			f.recent[at] = recentRecord{}
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
