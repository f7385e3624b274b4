// Package faults holds the faults that are switched on, and decides when one strikes and whom.
//
// The caller carries out what the fault does.
package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
)

// Kind names one way in which the server misbehaves.
type Kind string

// The faults. What a client sees of each is in docs/sandbox.md.
const (
	// HTTPStatus answers the WebSocket upgrade with HTTP status Code (400 to 599) instead.
	HTTPStatus Kind = "http_status"
	// DelayHandshake answers the client hello after Delay.
	DelayHandshake Kind = "delay_handshake"
	// BadCertificate presents an invalid server certificate. Variant says what is wrong with it.
	BadCertificate Kind = "bad_certificate"
	// WithholdQR never sends pair-device, the stanza with the QR codes.
	WithholdQR Kind = "withhold_qr"
	// DelayQR sends pair-device after Delay.
	DelayQR Kind = "delay_qr"
	// BadPairHMAC and BadPairSignature make the phone's confirmation of a scan invalid.
	BadPairHMAC      Kind = "bad_pair_hmac"
	BadPairSignature Kind = "bad_pair_signature"
	// RetireCode retires the secret in a code as a phone scans it: the scan fails, and the client is told to show the code
	// with a new secret. While a pairing code is entered, the client is told the same, and the pairing goes on. Variant
	// says which child the notification has.
	RetireCode Kind = "retire_code"
	// No515 leaves the connection open after pairing instead of ending it with 515.
	No515 Kind = "no_515"
	// CloseAfter515 closes the connection at once after 515, so that a client may lose the stanza.
	CloseAfter515 Kind = "close_after_515"
	// LoginFailure refuses logins with the failure reason Code. Expire and BanCode belong to code 402.
	LoginFailure Kind = "login_failure"
	// SilentLogin never answers a login.
	SilentLogin Kind = "silent_login"
	// DelayAck, WithholdAck and RefuseAck are about the acknowledgement of a message that a linked device sends. A
	// message whose acknowledgement is late or missing still reaches its recipients. A refused message, answered with
	// error Code, reaches nobody.
	DelayAck    Kind = "delay_ack"
	WithholdAck Kind = "withhold_ack"
	RefuseAck   Kind = "refuse_ack"
	// NoPong leaves keepalive pings unanswered.
	NoPong Kind = "no_pong"
	// WithholdSenderKey keeps a phone from sending the sender key of its next group message. Members that did not have
	// the key before cannot decrypt the message and ask for it again.
	WithholdSenderKey Kind = "withhold_sender_key"
	// WithholdDevices tells nobody that a device of the account was linked or removed. Others only notice when they send:
	// the acknowledgement has the hash of the right list of devices.
	WithholdDevices Kind = "withhold_devices"
	// WithholdSyncKeys keeps a phone from giving a device its app state keys. The device has to ask for them.
	WithholdSyncKeys Kind = "withhold_sync_keys"
	// Unavailable delivers a message to a linked device without its content. The device has to ask its phone for it.
	// Variant says whether the device is told why.
	Unavailable Kind = "unavailable"
	// BadCiphertext damages the ciphertext for a linked device. The device cannot decrypt the message and asks its
	// sender for it again.
	BadCiphertext Kind = "bad_ciphertext"
	// MediaUpload and MediaDownload answer the upload or download of a file with HTTP status Code.
	MediaUpload   Kind = "media_upload"
	MediaDownload Kind = "media_download"
)

// faultShape says which fields a kind of fault needs and allows.
type faultShape struct {
	// early: the fault strikes before the server knows who connects, so it cannot be narrowed.
	early bool
	// accountOnly: the fault strikes when the account is known but no device is yet.
	accountOnly bool
	delay       bool
	minCode     int
	maxCode     int
	// live: the fault strikes a connection that has a number. match: the fault can be narrowed to some queries.
	live     bool
	match    bool
	variants []string
}

func shapeOf(kind Kind) (faultShape, bool) {
	switch kind {
	case HTTPStatus, MediaUpload, MediaDownload:
		return faultShape{early: true, minCode: 400, maxCode: 599}, true
	case DelayHandshake, DelayQR:
		return faultShape{early: true, delay: true}, true
	case BadCertificate:
		return faultShape{early: true, variants: []string{VariantWrongRoot, VariantExpired, VariantWrongKey}}, true
	case WithholdQR:
		return faultShape{early: true}, true
	case BadPairHMAC, BadPairSignature, No515, CloseAfter515:
		return faultShape{accountOnly: true}, true
	case RetireCode:
		return faultShape{accountOnly: true, variants: []string{VariantRefresh, VariantRotate}}, true
	case LoginFailure:
		return faultShape{minCode: 400, maxCode: 599}, true
	case RefuseAck:
		return faultShape{minCode: 400, maxCode: 599, live: true}, true
	case DelayAck:
		return faultShape{delay: true, live: true}, true
	case WithholdSenderKey, WithholdDevices:
		return faultShape{accountOnly: true}, true
	case SilentLogin, WithholdSyncKeys, BadCiphertext:
		return faultShape{}, true
	case Unavailable:
		return faultShape{variants: []string{VariantUnsaid, VariantViewOnce}}, true
	case WithholdAck, NoPong:
		return faultShape{live: true}, true
	default:
		return lineShape(kind)
	}
}

// Kinds lists every kind of fault.
func Kinds() []Kind {
	return append([]Kind{
		HTTPStatus, DelayHandshake, BadCertificate, WithholdQR, DelayQR,
		BadPairHMAC, BadPairSignature, RetireCode, No515, CloseAfter515, LoginFailure,
		SilentLogin, DelayAck, WithholdAck, RefuseAck, NoPong,
		MediaUpload, MediaDownload, WithholdSenderKey,
		WithholdSyncKeys, Unavailable, BadCiphertext, WithholdDevices,
	}, lineFaults()...)
}

// Fault is one fault that is switched on.
type Fault struct {
	// ID is assigned by Set.Add.
	ID   string
	Kind Kind
	// Account (a phone number) and Device (the JID of a linked device) narrow the fault. If both are empty it is for
	// the whole server. A fault that strikes before the server knows who connects cannot be narrowed.
	Account string
	Device  string
	// Conn narrows the fault to one connection, by the number that events give. It is for faults of live connections.
	Conn uint64
	// Match narrows faults of queries, see DelayIQ. Variant chooses a form of the fault, where the kind has several.
	Match   string
	Variant string
	// Probability is how likely the fault strikes each time that it could; 0 means always. Seed determines the random
	// draws: the same seed gives the same draws.
	Probability float64
	Seed        uint64
	// Count is how many times the fault strikes; 0 means until it is cleared.
	Count int
	// Delay is how long kinds that begin with "delay_" delay something.
	Delay time.Duration
	// Code is the HTTP status, the failure reason or the error code.
	Code int
	// Expire is how long a temporary ban lasts (login_failure with Code 402), in whole seconds. BanCode is its reason,
	// 101 by default.
	Expire  time.Duration
	BanCode int
	// KeepOpen leaves the connection open after a login_failure.
	KeepOpen bool
	// Applied is how many times the fault has struck.
	Applied int
}

const (
	CodeTemporaryBan = 402
	DefaultBanCode   = 101
	maxFaults        = 1000
	MaxFaultDelay    = 24 * time.Hour
)

// Error says which field of a fault is wrong, and why.
type Error struct {
	Field  string
	Reason string
}

func (e *Error) Error() string { return "fault " + e.Field + ": " + e.Reason }

// Check returns an *Error for the first field that does not fit the kind, or nil.
func (f *Fault) Check() error {
	shape, ok := shapeOf(f.Kind)
	if !ok {
		return &Error{"kind", fmt.Sprintf("%q is unknown, expected one of %v", f.Kind, Kinds())}
	}
	wantCode := shape.maxCode > 0
	switch {
	case shape.early && (f.Account != "" || f.Device != ""):
		return &Error{"scope", fmt.Sprintf("%s strikes before the server knows who connects: leave account and device empty", f.Kind)}
	case shape.accountOnly && f.Device != "":
		return &Error{"device", fmt.Sprintf("%s strikes while pairing, before there is a device: use the account", f.Kind)}
	case f.Count < 0:
		return &Error{"count", fmt.Sprintf("%d is negative; 0 means until cleared", f.Count)}
	case shape.delay && (f.Delay <= 0 || f.Delay > MaxFaultDelay):
		return &Error{"delay", fmt.Sprintf("%s needs a delay over 0 and up to %s", f.Kind, MaxFaultDelay)}
	case !shape.delay && f.Delay != 0:
		return &Error{"delay", fmt.Sprintf("%s has no delay", f.Kind)}
	case wantCode && (f.Code < shape.minCode || f.Code > shape.maxCode):
		return &Error{"code", fmt.Sprintf("%s needs a code from %d to %d", f.Kind, shape.minCode, shape.maxCode)}
	case !wantCode && f.Code != 0:
		return &Error{"code", fmt.Sprintf("%s has no code", f.Kind)}
	case f.Kind != LoginFailure && f.KeepOpen:
		return &Error{"keep_open", "belongs to login_failure"}
	}
	ban := f.Kind == LoginFailure && f.Code == CodeTemporaryBan
	if !ban && (f.Expire != 0 || f.BanCode != 0) {
		return &Error{"expire", "expire and ban code belong to login_failure with code 402"}
	}
	if err := f.checkReach(shape); err != nil {
		return err
	}
	if f.Expire < 0 {
		return &Error{"expire", "is negative"}
	}
	if f.Device != "" {
		if _, err := types.ParseJID(f.Device); err != nil {
			return &Error{"device", "expected the JID of a linked device"}
		}
	}
	return nil
}

// Set holds the faults that are switched on, oldest first.
type Set struct {
	observer *observe.Observer
	// active is the number of faults. Busy paths read it without the lock.
	active atomic.Int32

	mu     sync.Mutex
	last   int
	faults []Fault
	// dice are the random sources of faults with a probability, by fault id.
	dice map[string]*rand.Rand
}

// Add switches a fault on and returns its id. If several faults fit, the oldest strikes. The error is an *Error.
func (set *Set) Add(fault Fault) (string, error) {
	if err := fault.Check(); err != nil {
		return "", err
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	if len(set.faults) >= maxFaults {
		return "", &Error{"count", fmt.Sprintf("%d faults are set already", maxFaults)}
	}
	set.last++
	fault.ID = strconv.Itoa(set.last)
	fault.Applied = 0
	set.faults = append(set.faults, fault)
	if fault.Probability > 0 {
		if set.dice == nil {
			set.dice = make(map[string]*rand.Rand)
		}
		set.dice[fault.ID] = rand.New(rand.NewPCG(fault.Seed, 0))
	}
	set.active.Store(int32(len(set.faults)))
	return fault.ID, nil
}

// Clear switches one fault off and reports whether it was on.
func (set *Set) Clear(id string) bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	before := len(set.faults)
	set.faults = slices.DeleteFunc(set.faults, func(f Fault) bool { return f.ID == id })
	delete(set.dice, id)
	set.active.Store(int32(len(set.faults)))
	return len(set.faults) < before
}

// ClearAll switches all faults off.
func (set *Set) ClearAll() {
	set.mu.Lock()
	defer set.mu.Unlock()
	set.faults, set.dice = nil, nil
	set.active.Store(0)
}

// List returns the faults that are on, oldest first.
func (set *Set) List() []Fault {
	set.mu.Lock()
	defer set.mu.Unlock()
	return slices.Clone(set.faults)
}

// NewSet returns a set without faults.
func NewSet(observer *observe.Observer) *Set { return &Set{observer: observer} }

// Strike returns the oldest fault of a kind whose scope fits, if one strikes. It counts the strike and switches the
// fault off after its last one. who is nil while the server does not know who connects.
func (set *Set) Strike(kind Kind, who Scope) (Fault, bool) {
	return set.StrikeIf(kind, who, nil)
}

// StrikeIf is Strike restricted to faults for which accept returns true. A nil accept allows all.
func (set *Set) StrikeIf(kind Kind, who Scope, accept func(*Fault) bool) (Fault, bool) {
	fault, ok := set.draw(kind, who, accept)
	if ok {
		set.observer.Count(func(c *observe.Counters) { observe.Increment(&c.Faults, string(kind)) })
		event := observe.Event{Kind: observe.EventFault, Detail: string(kind)}
		if who != nil {
			event.Account, event.Conn = who.ScopeAccount(), who.ScopeConn()
		}
		set.observer.Emit(event)
	}
	return fault, ok
}

// Scope is whom a fault or an action may be for: an account, a device of an account, or a connection.
type Scope interface {
	ScopeAccount() string
	ScopeDevice(jid string) bool
	// ScopeConn returns the number of a connection, 0 for anything else.
	ScopeConn() uint64
}

// Reaches reports whether the selection includes who. A nil who is included only if the selection is empty.
func (sel Select) Reaches(who Scope) bool {
	if sel == (Select{}) {
		return true
	}
	if who == nil {
		return false
	}
	return (sel.Account == "" || sel.Account == who.ScopeAccount()) && (sel.Device == "" || who.ScopeDevice(sel.Device)) &&
		(sel.Conn == 0 || sel.Conn == who.ScopeConn())
}

// None reports whether no fault is on. It takes no lock.
func (set *Set) None() bool { return set.active.Load() == 0 }

// draw finds the fault that strikes and counts the strike.
func (set *Set) draw(kind Kind, who Scope, accept func(*Fault) bool) (Fault, bool) {
	if set.None() {
		return Fault{}, false
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	for i := range set.faults {
		fault := &set.faults[i]
		if fault.Kind != kind || !(Select{fault.Account, fault.Device, fault.Conn}).Reaches(who) || (accept != nil && !accept(fault)) {
			continue
		}
		if dice := set.dice[fault.ID]; dice != nil && dice.Float64() >= fault.Probability {
			continue
		}
		fault.Applied++
		struck := *fault
		if fault.Count > 0 && fault.Applied >= fault.Count {
			delete(set.dice, fault.ID)
			set.faults = slices.Delete(set.faults, i, i+1)
			set.active.Store(int32(len(set.faults)))
		}
		return struck, true
	}
	return Fault{}, false
}

// Select says whom a fault or an action is for. If all fields are empty it is for every connection, including those
// that are not logged in.
type Select struct {
	// Account is a phone number, Device the JID of a linked device, Conn the number of a connection as events give it.
	Account string
	Device  string
	Conn    uint64
}
