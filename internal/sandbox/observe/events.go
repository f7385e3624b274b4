package observe

import "time"

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
	// EventServerDown and EventServerUp tell of a restart.
	EventServerDown EventKind = "server_down"
	EventServerUp   EventKind = "server_up"
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
