package whatsapp

import (
	"context"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/whatsapp/stanzas"
)

// This file is all that is used of whatsmeow's internals, which may change with any of its versions.

func internals(wa *whatsmeow.Client) *whatsmeow.DangerousInternalClient {
	return wa.DangerousInternals() //nolint:staticcheck // marked deprecated to warn of exactly this use; there is no other way
}

// expectDisconnect makes whatsmeow's requests fail at once when the connection ends. Otherwise they wait 5 s for a
// reconnect, which is not whatsmeow's business here.
func expectDisconnect(wa *whatsmeow.Client) { internals(wa).ExpectDisconnect() }

// connectionOver looks like the one kind of end after which whatsmeow does not try a request again. It is never sent.
var connectionOver = &waBinary.Node{Tag: "stream:error", Attrs: waBinary.Attrs{"code": "401"}}

// failRequests ends the requests that wait for an answer, before whatsmeow learns of the end by itself: it would let
// each of them wait for a reconnect, and those waits race with one another (exsync.Event.GetChan).
func failRequests(wa *whatsmeow.Client) { internals(wa).ClearResponseWaiters(connectionOver) }

// sendName says what the account is called, and that nobody is there. whatsmeow's SendPresence does it as well, but takes
// the name from where another of its goroutines may write it at the same moment.
func sendName(ctx context.Context, wa *whatsmeow.Client, name string) error {
	return internals(wa).SendNode(ctx, waBinary.Node{
		Tag: "presence", Attrs: waBinary.Attrs{"type": string(types.PresenceUnavailable), "name": name},
	})
}

// acknowledge ends the wait of the message with this id as WhatsApp's acknowledgement does, on the same way. A context that
// ends would let whatsmeow close the channel that an acknowledgement may be about to be written to, and so end the process.
func acknowledge(ctx context.Context, wa *whatsmeow.Client, id string, at time.Time) {
	internals(wa).ReceiveResponse(ctx, &waBinary.Node{Tag: "ack", Attrs: waBinary.Attrs{
		"class": "message", "id": id, "t": strconv.FormatInt(at.Unix(), 10),
	}})
}

// removeCompanion tells WhatsApp that the device is gone. whatsmeow's Logout does it as well, but disconnects and
// deletes the credentials too: the one would race with the end of the run, the other is Forget's.
func removeCompanion(ctx context.Context, wa *whatsmeow.Client, jid types.JID) error {
	_, err := internals(wa).SendIQ(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "md", Type: "set", To: types.ServerJID, NoRetry: true,
		Content: []waBinary.Node{{
			Tag:   "remove-companion-device",
			Attrs: waBinary.Attrs{"jid": jid, "reason": "user_initiated"},
		}},
	})
	return err
}

// guardHandlers puts wrap around each of the functions that whatsmeow calls with a stanza. Where a later version of
// whatsmeow keeps them otherwise, nothing happens; a test says so. Only before the client connects.
func guardHandlers(wa *whatsmeow.Client, wrap func(stanzas.Handler) stanzas.Handler) bool {
	field := reflect.ValueOf(wa).Elem().FieldByName("nodeHandlers")
	plain := reflect.TypeFor[stanzas.Handler]()
	if !field.IsValid() || field.Kind() != reflect.Map || field.Type().Key().Kind() != reflect.String || !field.Type().Elem().ConvertibleTo(plain) {
		return false
	}
	//nolint:gosec // an unexported field can be set by no other means; its type is checked above
	handlers := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
	for _, key := range handlers.MapKeys() {
		handle := handlers.MapIndex(key).Convert(plain).Interface().(stanzas.Handler) //nolint:forcetypeassert // just converted
		handlers.SetMapIndex(key, reflect.ValueOf(wrap(handle)).Convert(field.Type().Elem()))
	}
	return handlers.Len() > 0
}

// guardFrames puts wrap around the function that whatsmeow's reader calls with each frame of the connection, decrypted.
// Where a later version of whatsmeow keeps it otherwise, nothing happens; a test says so. Only while the reader is kept
// from the first frame, since it takes no lock.
func guardFrames(wa *whatsmeow.Client, wrap func(socket.FrameHandler) socket.FrameHandler) {
	client := reflect.ValueOf(wa).Elem()
	lock, sock := client.FieldByName("socketLock"), client.FieldByName("socket")
	if !lock.IsValid() || lock.Type() != reflect.TypeFor[sync.RWMutex]() ||
		!sock.IsValid() || sock.Type() != reflect.TypeFor[*socket.NoiseSocket]() {
		return
	}
	//nolint:gosec // an unexported field can be reached by no other means; its type is checked above
	mu := (*sync.RWMutex)(unsafe.Pointer(lock.UnsafeAddr()))
	mu.RLock()
	defer mu.RUnlock()
	if sock.IsNil() { // the connection is over
		return
	}
	field := sock.Elem().FieldByName("onFrame")
	if !field.IsValid() || field.Type() != reflect.TypeFor[socket.FrameHandler]() {
		return
	}
	//nolint:gosec // as above
	handle := (*socket.FrameHandler)(unsafe.Pointer(field.UnsafeAddr()))
	*handle = wrap(*handle)
}

// slim gives back what NewClient takes ahead of time for the last 256 messages that a client has sent: 40 KB, a third of
// an idle client. The map is replaced by an empty one of its type, which grows as messages are sent. Where a later
// version of whatsmeow has no such field, nothing happens; a test says so. Only before the client connects.
func slim(wa *whatsmeow.Client) bool {
	field := reflect.ValueOf(wa).Elem().FieldByName("recentMessagesMap")
	if !field.IsValid() || field.Kind() != reflect.Map || field.Len() > 0 {
		return false
	}
	//nolint:gosec // an unexported field can be set by no other means; its type is checked above
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.MakeMap(field.Type()))
	return true
}
