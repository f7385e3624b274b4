package observe

import "time"

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	EventConnected      EventKind = "connected"
	EventPairDeviceSent EventKind = "pair_device_sent"
	EventPaired         EventKind = "paired"
	EventPairRefused    EventKind = "pair_refused"
	// EventCodeRequested: a client asks the phone for a pairing code. Detail is the client's name.
	EventCodeRequested EventKind = "code_requested"
	// EventCodeRetired: a client was told that the secret in its codes is retired. Detail is the child of the notification.
	// EventRetireAcked: the client has acknowledged it.
	EventCodeRetired EventKind = "code_retired"
	EventRetireAcked EventKind = "code_retired_acked"
	// EventPasskeyDemanded: a client was asked for the passkey. EventPasskeyCode: both sides show the code in Detail.
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
	// EventChatState: an account sees what somebody does in a chat. Detail is the state, the number, and in a group "
	// in " with its JID.
	EventChatState EventKind = "chat_state"
	// EventCall: the state of a call changed for an account. Detail is the state, the call's id and the other side.
	EventCall EventKind = "call"
	// EventGroup: somebody changed a group. Detail is the change and the group.
	EventGroup EventKind = "group"
	// EventPeer: a linked device asks its phone for something. Detail says for what.
	EventPeer EventKind = "peer"
	// EventAppState: a phone or a device changed contacts, pins, mutes or the like. Detail is the collection and its
	// new version.
	EventAppState EventKind = "app_state"
	// EventHistory: a phone sent a device a part of its history. Detail is the type, the number of the part and the
	// number of messages in it.
	EventHistory EventKind = "history"
	// EventUpload and EventDownload: a file was transferred. Detail is its type and id.
	EventUpload   EventKind = "upload"
	EventDownload EventKind = "download"
	EventPhone    EventKind = "phone"
	// EventProfile: the profile of an account or a group changed. Detail says what.
	EventProfile EventKind = "profile"
	// EventScenario: a scenario began, took a step or ended. Detail is its id, its name and which of these.
	EventScenario EventKind = "scenario"
	// EventServerDown and EventServerUp: the server restarts.
	EventServerDown EventKind = "server_down"
	EventServerUp   EventKind = "server_up"
)

// EventKinds lists all kinds of events.
func EventKinds() []EventKind {
	return []EventKind{
		EventConnected, EventPairDeviceSent, EventPaired, EventPairRefused, EventCodeRequested, EventCodeRetired, EventRetireAcked, EventPasskeyDemanded,
		EventPasskeyCode, EventLoggedIn, EventLoginRefused, EventActive, EventUnlinked, EventDisconnected, EventMessage,
		EventReceipt, EventChatState, EventCall, EventUnknownQuery, EventMalformed, EventFault,
		EventGroup, EventPeer, EventAppState, EventHistory, EventUpload, EventDownload, EventPhone, EventProfile,
		EventServerDown, EventServerUp, EventScenario,
	}
}

// Event is something that happened on the server.
type Event struct {
	// Time is when it happened. For EventPairDeviceSent it is the moment before the stanza is written to the socket.
	Time time.Time `json:"time"`
	Kind EventKind `json:"kind"`
	// Account is the phone number and Device the JID of the linked device, if known.
	Account string `json:"account,omitempty"`
	Device  string `json:"device,omitempty"`
	// Conn is the number of the connection, counted from 1. 0 means that the event is not about a connection.
	Conn uint64 `json:"conn,omitempty"`
	// Detail is a message id, a reason or a name, depending on the kind.
	Detail string `json:"detail,omitempty"`
}
