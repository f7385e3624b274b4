package sandbox

import (
	"maps"
	"sync"
	"time"
)

// Counters is a snapshot of what a server has seen since it started.
type Counters struct {
	ConnectionsOpen   int64 `json:"connections_open"`
	ConnectionsTotal  int64 `json:"connections_total"`
	HandshakeFailures int64 `json:"handshake_failures"`
	// OutOfFiles counts how often a client could not be let in because there was no file descriptor left.
	OutOfFiles int64 `json:"out_of_files"`
	// Malformed counts connections closed for input that no client sends, by what was wrong with it.
	Malformed map[string]int64 `json:"malformed"`

	Registrations int64 `json:"registrations"`
	Pairings      int64 `json:"pairings"`
	// PairingsRefused counts pairings that the client refused after the scan.
	PairingsRefused int64 `json:"pairings_refused"`
	Logins          int64 `json:"logins"`
	LoginsRefused   int64 `json:"logins_refused"`
	// WebPages counts requests for the front page, where clients read the newest version.
	WebPages int64 `json:"web_pages"`
	// Replaced counts connections that a second login of the same device ended.
	Replaced int64 `json:"replaced"`

	// MessagesIn counts message stanzas that linked devices sent, MessagesOut copies handed to devices and
	// phones.
	MessagesIn  int64 `json:"messages_in"`
	MessagesOut int64 `json:"messages_out"`
	Acks        int64 `json:"acks"`
	// Refusals counts messages answered with an error.
	Refusals int64 `json:"refusals"`
	Receipts int64 `json:"receipts"`
	Retries  int64 `json:"retries"`
	// Duplicates counts copies of a message that a receiving device had been given before: same sending
	// device, same id.
	Duplicates int64 `json:"duplicates"`
	// KeyReuses counts messages that a client encrypted with a message key it had used before for another
	// message. Phones ask for them again; without that such a message is lost.
	KeyReuses int64 `json:"key_reuses"`
	// Redelivered counts stanzas sent again at a login because nothing acknowledged them before.
	Redelivered int64 `json:"redelivered"`
	// QueueOverflows counts stanzas lost because a device was away and its queue was full.
	QueueOverflows int64 `json:"queue_overflows"`

	// Uploads and Downloads count files that clients sent and fetched, MediaRefused those they could not.
	Uploads      int64 `json:"uploads"`
	Downloads    int64 `json:"downloads"`
	MediaRefused int64 `json:"media_refused"`

	// SyncPatches counts changes of app state, by phones and clients, SyncConflicts those that came too late and had to
	// be made anew, SyncErrors those that a phone could not read.
	SyncPatches   int64 `json:"sync_patches"`
	SyncConflicts int64 `json:"sync_conflicts"`
	SyncErrors    int64 `json:"sync_errors"`
	// Calls counts those that phones and clients placed.
	Calls int64 `json:"calls"`
	// HistoryChunks counts parts of their history that phones sent to linked devices.
	HistoryChunks int64 `json:"history_chunks"`

	// UnknownQueries counts what the server has no answer for, by namespace/tag.
	UnknownQueries map[string]int64 `json:"unknown_queries"`
	// Faults counts faults applied, by kind.
	Faults map[string]int64 `json:"faults"`

	EventsDropped int64 `json:"events_dropped"`
	// Panics counts stanzas whose handling broke: always a bug of the sandbox.
	Panics int64 `json:"panics"`
}

// stats holds the counters; a mutex is cheap next to the encryption of a single frame.
type stats struct {
	mu       sync.Mutex
	counters Counters
}

func (s *stats) add(change func(*Counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counters)
}

func (s *stats) snapshot() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := s.counters
	copied.Malformed = cloneCounts(copied.Malformed)
	copied.UnknownQueries = cloneCounts(copied.UnknownQueries)
	copied.Faults = cloneCounts(copied.Faults)
	return copied
}

// cloneCounts copies a map, to an empty one when there is none: JSON then says {} and not null.
func cloneCounts(counts map[string]int64) map[string]int64 {
	if counts == nil {
		return map[string]int64{}
	}
	return maps.Clone(counts)
}

// maxKeys bounds the maps whose keys come from clients.
const maxKeys = 200

func increment(counts *map[string]int64, key string) {
	if *counts == nil {
		*counts = make(map[string]int64)
	}
	if _, known := (*counts)[key]; !known && len(*counts) >= maxKeys {
		key = "other"
	}
	(*counts)[key]++
}

// Counters returns a snapshot of the server's counters.
func (s *Server) Counters() Counters { return s.stats.snapshot() }

// EventKind names what happened.
type EventKind string

// What subscribers hear of.
const (
	EventConnected      EventKind = "connected"
	EventPairDeviceSent EventKind = "pair_device_sent"
	EventPaired         EventKind = "paired"
	EventPairRefused    EventKind = "pair_refused"
	// EventCodeRequested tells that a client asks the phone for a pairing code; Detail is the client's name.
	EventCodeRequested EventKind = "code_requested"
	// EventPasskeyDemanded tells that a client was asked for the passkey, EventPasskeyCode that both sides show
	// the code in Detail.
	EventPasskeyDemanded EventKind = "passkey_demanded"
	EventPasskeyCode     EventKind = "passkey_code"
	EventLoggedIn        EventKind = "logged_in"
	EventLoginRefused    EventKind = "login_refused"
	EventActive          EventKind = "active"
	EventUnlinked        EventKind = "unlinked"
	EventDisconnected    EventKind = "disconnected"
	EventMessage         EventKind = "message"
	EventReceipt         EventKind = "receipt"
	EventUnknownQuery    EventKind = "unknown_query"
	EventMalformed       EventKind = "malformed"
	EventFault           EventKind = "fault"
	// EventChatState tells an account what somebody does in a chat; Detail is the state, the number, and in a group
	// " in " with its JID.
	EventChatState EventKind = "chat_state"
	// EventCall tells an account of a call; Detail is the state, the call's id and who calls or is called.
	EventCall EventKind = "call"
	// EventGroup tells that somebody changed a group; Detail is the change and the group.
	EventGroup EventKind = "group"
	// EventPeer tells that a linked device asks its phone for something; Detail says for what.
	EventPeer EventKind = "peer"
	// EventAppState tells that a phone or a device changed contacts, pins, mutes or the like; Detail is the collection
	// and its new version.
	EventAppState EventKind = "app_state"
	// EventHistory tells that a phone sent a device a part of its history; Detail is the type, the number of the part
	// and how many messages are in it.
	EventHistory EventKind = "history"
	// EventUpload and EventDownload tell of a file; Detail is its type and id.
	EventUpload   EventKind = "upload"
	EventDownload EventKind = "download"
	EventPhone    EventKind = "phone"
	// EventProfile tells that somebody changed what an account or a group shows; Detail is what.
	EventProfile EventKind = "profile"
	// EventScenario tells that a scenario began, took a step or ended; Detail is its id, its name and which of these.
	EventScenario EventKind = "scenario"
)

// EventKinds lists what subscribers may hear of.
func EventKinds() []EventKind {
	return []EventKind{
		EventConnected, EventPairDeviceSent, EventPaired, EventPairRefused, EventCodeRequested, EventPasskeyDemanded,
		EventPasskeyCode, EventLoggedIn, EventLoginRefused, EventActive, EventUnlinked, EventDisconnected, EventMessage,
		EventReceipt, EventChatState, EventCall, EventUnknownQuery, EventMalformed, EventFault,
		EventGroup, EventPeer, EventAppState, EventHistory, EventUpload, EventDownload, EventPhone, EventProfile,
		EventServerDown, EventServerUp, EventScenario,
	}
}

// Event is something that happened on the server.
type Event struct {
	// Time is when it happened. For EventPairDeviceSent it is the moment before the stanza is written to the
	// socket.
	Time time.Time `json:"time"`
	Kind EventKind `json:"kind"`
	// Account is the phone number, Device the JID of the linked device, where known.
	Account string `json:"account,omitempty"`
	Device  string `json:"device,omitempty"`
	// Conn is the number of the connection, from 1; 0 when none is concerned.
	Conn uint64 `json:"conn,omitempty"`
	// Detail is a message id, a reason or a name, according to the kind.
	Detail string `json:"detail,omitempty"`
}

const subscriberBuffer = 4096

// broadcaster hands events to subscribers. It never waits for one: who does not keep up misses events, which
// is counted.
type broadcaster struct {
	dropped func()

	mu     sync.Mutex
	subs   map[chan Event]struct{}
	closed bool
}

func (b *broadcaster) subscribe() (<-chan Event, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := make(chan Event, subscriberBuffer)
	if b.closed {
		close(ch)
		return ch, func() {}
	}
	if b.subs == nil {
		b.subs = make(map[chan Event]struct{})
	}
	b.subs[ch] = struct{}{}
	return ch, func() { b.unsubscribe(ch) }
}

func (b *broadcaster) unsubscribe(ch chan Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.subs[ch]; ok {
		delete(b.subs, ch)
		close(ch)
	}
}

func (b *broadcaster) publish(event Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.subs {
		select {
		case ch <- event:
		default:
			b.dropped()
		}
	}
}

func (b *broadcaster) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for ch := range b.subs {
		close(ch)
	}
	b.subs = nil
}

// Subscribe returns a channel of everything that happens from now on, and a function that ends the
// subscription. The channel is closed by that function or by Close.
func (s *Server) Subscribe() (<-chan Event, func()) { return s.events.subscribe() }

func (s *Server) emit(event Event) {
	if event.Time.IsZero() {
		event.Time = time.Now()
	}
	s.events.publish(event)
}
