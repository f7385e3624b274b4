package observe

import "maps"

// Counters is a snapshot of what a server has seen since it started.
type Counters struct {
	ConnectionsOpen   int64 `json:"connections_open"`
	ConnectionsTotal  int64 `json:"connections_total"`
	HandshakeFailures int64 `json:"handshake_failures"`
	// OutOfFiles counts how often no client could be accepted because no file descriptor or memory was left.
	OutOfFiles int64 `json:"out_of_files"`
	// Malformed counts connections that were closed for input that no client sends, by what was wrong with it.
	Malformed map[string]int64 `json:"malformed"`

	Registrations int64 `json:"registrations"`
	Pairings      int64 `json:"pairings"`
	// PairingsRefused counts pairings that the client refused after the scan.
	PairingsRefused int64 `json:"pairings_refused"`
	Logins          int64 `json:"logins"`
	LoginsRefused   int64 `json:"logins_refused"`
	// WebPages counts requests for the front page, where clients read the newest version of WhatsApp Web.
	WebPages int64 `json:"web_pages"`
	// Replaced counts connections that a second login of the same device ended.
	Replaced int64 `json:"replaced"`

	// MessagesIn counts message stanzas from linked devices. MessagesOut counts copies for devices and phones.
	MessagesIn  int64 `json:"messages_in"`
	MessagesOut int64 `json:"messages_out"`
	Acks        int64 `json:"acks"`
	// Refusals counts messages answered with an error.
	Refusals int64 `json:"refusals"`
	Receipts int64 `json:"receipts"`
	Retries  int64 `json:"retries"`
	// Duplicates counts copies of a message that the receiving device had been given before: same sending device, same
	// id.
	Duplicates int64 `json:"duplicates"`
	// KeyReuses counts messages that a client encrypted with a message key of an earlier message. Phones ask for such a
	// message again, because it would be lost otherwise.
	KeyReuses int64 `json:"key_reuses"`
	// Redelivered counts stanzas that were sent again at a login because they had not been acknowledged.
	Redelivered int64 `json:"redelivered"`
	// QueueOverflows counts stanzas that were lost because the queue of a device or a phone was full.
	QueueOverflows int64 `json:"queue_overflows"`

	// Uploads and Downloads count files that clients uploaded and downloaded. MediaRefused counts requests that failed.
	Uploads      int64 `json:"uploads"`
	Downloads    int64 `json:"downloads"`
	MediaRefused int64 `json:"media_refused"`

	// SyncPatches counts changes of app state by phones and clients. SyncConflicts counts those that were based on an
	// old version and had to be repeated. SyncErrors counts those that a phone could not read.
	SyncPatches   int64 `json:"sync_patches"`
	SyncConflicts int64 `json:"sync_conflicts"`
	SyncErrors    int64 `json:"sync_errors"`
	// Calls counts calls that phones and clients placed.
	Calls int64 `json:"calls"`
	// HistoryChunks counts parts of the history that phones sent to linked devices.
	HistoryChunks int64 `json:"history_chunks"`

	// UnknownQueries counts queries that the server does not know, by namespace/tag.
	UnknownQueries map[string]int64 `json:"unknown_queries"`
	// Faults counts how often faults struck, by kind.
	Faults map[string]int64 `json:"faults"`

	EventsDropped int64 `json:"events_dropped"`
	// Panics counts stanzas whose handler panicked. This is always a bug of the sandbox.
	Panics int64 `json:"panics"`
}

// cloneCounts copies a map. It returns an empty map for nil, so that JSON has {} and not null.
func cloneCounts(counts map[string]int64) map[string]int64 {
	if counts == nil {
		return map[string]int64{}
	}
	return maps.Clone(counts)
}

// maxKeys bounds the number of keys of a counter map, because clients choose the keys.
const maxKeys = 200

// Increment adds 1 under a key, or under "other" for a new key once the map has maxKeys keys.
func Increment(counts *map[string]int64, key string) {
	if *counts == nil {
		*counts = make(map[string]int64)
	}
	if _, known := (*counts)[key]; !known && len(*counts) >= maxKeys {
		key = "other"
	}
	(*counts)[key]++
}
