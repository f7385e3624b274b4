package whatsapp

import (
	"context"
	"crypto/cipher"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/whatsapp/inbound"
	"wasup/internal/whatsapp/stanzas"
)

// This file contains every use of whatsmeow's internals, which may change with any version of whatsmeow.

func internals(wa *whatsmeow.Client) *whatsmeow.DangerousInternalClient {
	return wa.DangerousInternals() //nolint:staticcheck // marked deprecated to warn of exactly this use; there is no other way
}

// expectDisconnect makes whatsmeow's requests fail at once when the connection ends. Otherwise they wait 5 s for a
// reconnect, which never comes here.
func expectDisconnect(wa *whatsmeow.Client) { internals(wa).ExpectDisconnect() }

// connectionOver is a stanza that is never sent. whatsmeow takes it for the one kind of end after which it does not
// repeat a request.
var connectionOver = &waBinary.Node{Tag: "stream:error", Attrs: waBinary.Attrs{"code": "401"}}

// failRequests fails the requests that wait for an answer, before whatsmeow itself learns of the end. Otherwise each of
// them would wait for a reconnect, and these waits have a data race (exsync.Event.GetChan).
func failRequests(wa *whatsmeow.Client) { internals(wa).ClearResponseWaiters(connectionOver) }

// failFirst wraps whatsmeow's handler of a stanza. At a stream error, too, whatsmeow lets the requests that wait for an
// answer wait for a reconnect.
func failFirst(wa *whatsmeow.Client, tag string, handle stanzas.Handler) stanzas.Handler {
	if tag != "stream:error" {
		return handle
	}
	return func(ctx context.Context, node *waBinary.Node) {
		failRequests(wa)
		handle(ctx, node)
	}
}

// sendName sends the account's name, with the presence "unavailable". whatsmeow's SendPresence does the same, but reads
// the name from a field that another goroutine may be writing.
func sendName(ctx context.Context, wa *whatsmeow.Client, name string) error {
	return internals(wa).SendNode(ctx, waBinary.Node{
		Tag: "presence", Attrs: waBinary.Attrs{"type": string(types.PresenceUnavailable), "name": name},
	})
}

// acknowledge ends the wait for the acknowledgement of the message with this id, as if WhatsApp's acknowledgement had
// come. Cancelling the send's context instead would make whatsmeow close a channel that an acknowledgement may be about
// to be written to, and the panic would end the process.
func acknowledge(ctx context.Context, wa *whatsmeow.Client, id string, at time.Time) {
	internals(wa).ReceiveResponse(ctx, &waBinary.Node{Tag: "ack", Attrs: waBinary.Attrs{
		"class": "message", "id": id, "t": strconv.FormatInt(at.Unix(), 10),
	}})
}

// group is what a message to a group depends on.
type group struct {
	byLID         bool // members are addressed by LID, not by number
	announcements bool // of a community
	members       []types.JID
}

// groupOf describes a group. whatsmeow asks WhatsApp once in a run about each group, as it does before it sends to the
// group.
func groupOf(ctx context.Context, wa *whatsmeow.Client, jid types.JID) (group, error) {
	data, err := internals(wa).GetCachedGroupData(ctx, jid)
	if err != nil || data == nil {
		return group{}, err
	}
	return group{data.AddressingMode == types.AddressingModeLID, data.CommunityAnnouncementGroup, data.Members}, nil
}

// removeCompanion tells WhatsApp that the device is removed. whatsmeow's Logout also disconnects and deletes the
// credentials: the first would race with the end of the run, the second is the task of Dialer.Forget.
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

// guardHandlers wraps each function that whatsmeow calls with a stanza, and reports whether it did. It does nothing if
// a later version of whatsmeow stores them in another way; a test detects that. Call it only before the client
// connects.
func guardHandlers(wa *whatsmeow.Client, wrap func(tag string, handle stanzas.Handler) stanzas.Handler) bool {
	field := reflect.ValueOf(wa).Elem().FieldByName("nodeHandlers")
	plain := reflect.TypeFor[stanzas.Handler]()
	if !field.IsValid() || field.Kind() != reflect.Map || field.Type().Key().Kind() != reflect.String || !field.Type().Elem().ConvertibleTo(plain) {
		return false
	}
	//nolint:gosec // an unexported field can be set by no other means; its type is checked above
	handlers := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
	for _, key := range handlers.MapKeys() {
		handle := handlers.MapIndex(key).Convert(plain).Interface().(stanzas.Handler) //nolint:forcetypeassert // just converted
		handlers.SetMapIndex(key, reflect.ValueOf(wrap(key.String(), handle)).Convert(field.Type().Elem()))
	}
	return handlers.Len() > 0
}

// guardFrames wraps the function that whatsmeow's reader calls with each decrypted frame. It does nothing if a later
// version of whatsmeow stores it in another way; a test detects that. The reader uses the function without a lock, so
// call guardFrames only before the link admits the first frame.
func guardFrames(wa *whatsmeow.Client, wrap func(socket.FrameHandler) socket.FrameHandler) {
	inSocket(wa, "onFrame", func(handle *socket.FrameHandler) { *handle = wrap(*handle) })
}

// rewriteFrames lets rewrite replace the content of each frame that leaves, before it is encrypted. It does nothing if a
// later version of whatsmeow encrypts in another way; a test detects that. whatsmeow's writers use the cipher without a
// lock, so call rewriteFrames only before the link admits the first frame.
func rewriteFrames(wa *whatsmeow.Client, rewrite func(frame []byte) []byte) {
	inSocket(wa, "writeKey", func(key *cipher.AEAD) { *key = rewriter{*key, rewrite} })
}

// rewriter is a cipher that replaces what it encrypts.
type rewriter struct {
	cipher.AEAD

	rewrite func(frame []byte) []byte
}

// Seal implements cipher.AEAD.
func (r rewriter) Seal(dst, nonce, plaintext, additional []byte) []byte {
	return r.AEAD.Seal(dst, nonce, r.rewrite(plaintext), additional)
}

// inSocket changes a field of whatsmeow's socket, if there is a connection and the field has the type. The lock orders
// the change before every later use by a goroutine that whatsmeow has started already.
func inSocket[T any](wa *whatsmeow.Client, name string, change func(field *T)) {
	client := reflect.ValueOf(wa).Elem()
	lock, sock := client.FieldByName("socketLock"), client.FieldByName("socket")
	if !lock.IsValid() || lock.Type() != reflect.TypeFor[sync.RWMutex]() ||
		!sock.IsValid() || sock.Type() != reflect.TypeFor[*socket.NoiseSocket]() {
		return
	}
	//nolint:gosec // an unexported field can be reached by no other means; its type is checked above
	mu := (*sync.RWMutex)(unsafe.Pointer(lock.UnsafeAddr()))
	mu.Lock()
	defer mu.Unlock()
	if sock.IsNil() { // the connection is over
		return
	}
	field := sock.Elem().FieldByName(name)
	if !field.IsValid() || field.Type() != reflect.TypeFor[T]() {
		return
	}
	//nolint:gosec // as above
	change((*T)(unsafe.Pointer(field.UnsafeAddr())))
}

// dropDeviceLists makes whatsmeow forget which devices some users have, and reports whether it could. It does nothing if
// a later version of whatsmeow stores the lists in another way; a test detects that.
func dropDeviceLists(wa *whatsmeow.Client, users ...types.JID) bool {
	client := reflect.ValueOf(wa).Elem()
	lock, field := client.FieldByName("userDevicesCacheLock"), client.FieldByName("userDevicesCache")
	if !lock.IsValid() || lock.Type() != reflect.TypeFor[sync.Mutex]() ||
		!field.IsValid() || field.Kind() != reflect.Map || field.Type().Key() != reflect.TypeFor[types.JID]() {
		return false
	}
	//nolint:gosec // an unexported field can be reached by no other means; its type is checked above
	mu := (*sync.Mutex)(unsafe.Pointer(lock.UnsafeAddr()))
	mu.Lock()
	defer mu.Unlock()
	//nolint:gosec // as above
	lists := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
	for _, user := range users {
		lists.SetMapIndex(reflect.ValueOf(user), reflect.Value{})
	}
	return true
}

// decryptSecret decrypts content that is encrypted with the secret of another message, for the uses for which whatsmeow has
// no function of its own.
func decryptSecret(wa *whatsmeow.Client) inbound.Decrypt {
	return func(ctx context.Context, evt *events.Message, use whatsmeow.MsgSecretType, sealed inbound.Sealed, key *waCommon.MessageKey) ([]byte, error) {
		return internals(wa).DecryptMsgSecret(ctx, evt, use, sealed, key)
	}
}

// slim frees the map that NewClient preallocates for the last 256 sent messages: 40 KB, a third of an idle client. It
// replaces the map by an empty one of the same type, which grows as messages are sent. It does nothing if a later
// version of whatsmeow has no such field; a test detects that. Call it only before the client connects.
func slim(wa *whatsmeow.Client) bool {
	field := reflect.ValueOf(wa).Elem().FieldByName("recentMessagesMap")
	if !field.IsValid() || field.Kind() != reflect.Map || field.Len() > 0 {
		return false
	}
	//nolint:gosec // an unexported field can be set by no other means; its type is checked above
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.MakeMap(field.Type()))
	return true
}
