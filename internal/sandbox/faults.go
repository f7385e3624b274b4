package sandbox

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

// FaultKind names one way in which the server misbehaves.
type FaultKind string

// The faults. What a client sees of each is in docs/sandbox.md.
const (
	// FaultHTTPStatus answers the WebSocket upgrade with Code (400 to 599) instead.
	FaultHTTPStatus FaultKind = "http_status"
	// FaultDelayHandshake answers the client hello after Delay.
	FaultDelayHandshake FaultKind = "delay_handshake"
	// FaultBadCertificate shows a certificate that does not vouch for the server; Variant says why not.
	FaultBadCertificate FaultKind = "bad_certificate"
	// FaultWithholdQR never sends pair-device.
	FaultWithholdQR FaultKind = "withhold_qr"
	// FaultDelayQR sends pair-device after Delay.
	FaultDelayQR FaultKind = "delay_qr"
	// FaultBadPairHMAC and FaultBadPairSignature spoil the phone's confirmation of a scan.
	FaultBadPairHMAC      FaultKind = "bad_pair_hmac"
	FaultBadPairSignature FaultKind = "bad_pair_signature"
	// FaultNo515 leaves the connection open after pairing instead of ending it with 515.
	FaultNo515 FaultKind = "no_515"
	// FaultCloseAfter515 closes at once after 515, so that a client may lose the stanza.
	FaultCloseAfter515 FaultKind = "close_after_515"
	// FaultLoginFailure refuses logins with failure Code. Expire and BanCode belong to code 402.
	FaultLoginFailure FaultKind = "login_failure"
	// FaultSilentLogin never answers a login.
	FaultSilentLogin FaultKind = "silent_login"
	// FaultDelayAck, FaultWithholdAck and FaultRefuseAck are about the acknowledgement of a message that a
	// linked device sends. A delayed or withheld one does not keep the message from its recipients; a
	// refused message, answered with error Code, reaches nobody.
	FaultDelayAck    FaultKind = "delay_ack"
	FaultWithholdAck FaultKind = "withhold_ack"
	FaultRefuseAck   FaultKind = "refuse_ack"
	// FaultNoPong leaves keepalive pings unanswered.
	FaultNoPong FaultKind = "no_pong"
	// FaultWithholdSenderKey keeps a phone from giving the others the key that its next group message is encrypted
	// with: who did not have it before cannot decrypt, and asks again.
	FaultWithholdSenderKey FaultKind = "withhold_sender_key"
	// FaultWithholdSyncKeys keeps a phone from giving a device its keys of app state: the device has to ask for them.
	FaultWithholdSyncKeys FaultKind = "withhold_sync_keys"
	// FaultUnavailable hands a linked device a message without its content: the device has to ask its phone. Variant says
	// whether it is told why.
	FaultUnavailable FaultKind = "unavailable"
	// FaultBadCiphertext spoils what is encrypted for a linked device: it cannot decrypt the message and asks its sender
	// for it again.
	FaultBadCiphertext FaultKind = "bad_ciphertext"
	// FaultMediaUpload and FaultMediaDownload answer the upload or download of a file with HTTP status Code.
	FaultMediaUpload   FaultKind = "media_upload"
	FaultMediaDownload FaultKind = "media_download"
)

// faultShape says what a kind of fault needs and allows.
type faultShape struct {
	// early faults strike before the server knows who connects, so they cannot be scoped.
	early bool
	// account faults strike when the account is known but no device is yet.
	accountOnly bool
	delay       bool
	minCode     int
	maxCode     int
	// live faults strike a connection that has a number, match ones can be narrowed to some queries.
	live     bool
	match    bool
	variants []string
}

func shapeOf(kind FaultKind) (faultShape, bool) {
	switch kind {
	case FaultHTTPStatus, FaultMediaUpload, FaultMediaDownload:
		return faultShape{early: true, minCode: 400, maxCode: 599}, true
	case FaultDelayHandshake, FaultDelayQR:
		return faultShape{early: true, delay: true}, true
	case FaultBadCertificate:
		return faultShape{early: true, variants: []string{VariantWrongRoot, VariantExpired, VariantWrongKey}}, true
	case FaultWithholdQR:
		return faultShape{early: true}, true
	case FaultBadPairHMAC, FaultBadPairSignature, FaultNo515, FaultCloseAfter515:
		return faultShape{accountOnly: true}, true
	case FaultLoginFailure:
		return faultShape{minCode: 400, maxCode: 599}, true
	case FaultRefuseAck:
		return faultShape{minCode: 400, maxCode: 599, live: true}, true
	case FaultDelayAck:
		return faultShape{delay: true, live: true}, true
	case FaultWithholdSenderKey:
		return faultShape{accountOnly: true}, true
	case FaultSilentLogin, FaultWithholdSyncKeys, FaultBadCiphertext:
		return faultShape{}, true
	case FaultUnavailable:
		return faultShape{variants: []string{VariantUnsaid, VariantViewOnce}}, true
	case FaultWithholdAck, FaultNoPong:
		return faultShape{live: true}, true
	default:
		return lineShape(kind)
	}
}

// FaultKinds lists every kind there is.
func FaultKinds() []FaultKind {
	return append([]FaultKind{
		FaultHTTPStatus, FaultDelayHandshake, FaultBadCertificate, FaultWithholdQR, FaultDelayQR,
		FaultBadPairHMAC, FaultBadPairSignature, FaultNo515, FaultCloseAfter515, FaultLoginFailure,
		FaultSilentLogin, FaultDelayAck, FaultWithholdAck, FaultRefuseAck, FaultNoPong,
		FaultMediaUpload, FaultMediaDownload, FaultWithholdSenderKey,
		FaultWithholdSyncKeys, FaultUnavailable, FaultBadCiphertext,
	}, lineFaults()...)
}

// Fault is one misbehaviour that is switched on.
type Fault struct {
	// ID is chosen by SetFault.
	ID   string
	Kind FaultKind
	// Account (a phone number) and Device (the JID of a linked device) narrow the fault; both empty mean the
	// whole server. A fault that strikes before the server knows who connects cannot be narrowed.
	Account string
	Device  string
	// Conn narrows the fault to one connection, by the number that events have; for faults of live connections.
	Conn uint64
	// Match narrows faults of queries: see FaultDelayIQ. Variant chooses between kinds of bad certificates and
	// malformed frames.
	Match   string
	Variant string
	// Probability is how likely the fault strikes each time that it could; 0 means always. The draws follow
	// from Seed: the same each time.
	Probability float64
	Seed        uint64
	// Count is how many times the fault strikes; 0 means until it is cleared.
	Count int
	// Delay belongs to the delay_ kinds.
	Delay time.Duration
	// Code is the HTTP status, the failure reason or the error of the ack.
	Code int
	// Expire is how long a temporary ban lasts (login_failure with Code 402), in whole seconds; BanCode is
	// its reason, 101 by default.
	Expire  time.Duration
	BanCode int
	// KeepOpen leaves the connection open after a login_failure.
	KeepOpen bool
	// Applied says how many times the fault has struck.
	Applied int
}

const (
	codeTemporaryBan = 402
	defaultBanCode   = 101
	maxFaults        = 1000
	maxFaultDelay    = 24 * time.Hour
)

// FaultError says which field of a fault is wrong.
type FaultError struct {
	Field  string
	Reason string
}

func (e *FaultError) Error() string { return "fault " + e.Field + ": " + e.Reason }

func (f *Fault) check() error {
	shape, ok := shapeOf(f.Kind)
	if !ok {
		return &FaultError{"kind", fmt.Sprintf("%q is unknown, expected one of %v", f.Kind, FaultKinds())}
	}
	wantCode := shape.maxCode > 0
	switch {
	case shape.early && (f.Account != "" || f.Device != ""):
		return &FaultError{"scope", fmt.Sprintf("%s strikes before the server knows who connects: leave account and device empty", f.Kind)}
	case shape.accountOnly && f.Device != "":
		return &FaultError{"device", fmt.Sprintf("%s strikes while pairing, before there is a device: use the account", f.Kind)}
	case f.Count < 0:
		return &FaultError{"count", fmt.Sprintf("%d is negative; 0 means until cleared", f.Count)}
	case shape.delay && (f.Delay <= 0 || f.Delay > maxFaultDelay):
		return &FaultError{"delay", fmt.Sprintf("%s needs a delay over 0 and up to %s", f.Kind, maxFaultDelay)}
	case !shape.delay && f.Delay != 0:
		return &FaultError{"delay", fmt.Sprintf("%s has no delay", f.Kind)}
	case wantCode && (f.Code < shape.minCode || f.Code > shape.maxCode):
		return &FaultError{"code", fmt.Sprintf("%s needs a code from %d to %d", f.Kind, shape.minCode, shape.maxCode)}
	case !wantCode && f.Code != 0:
		return &FaultError{"code", fmt.Sprintf("%s has no code", f.Kind)}
	case f.Kind != FaultLoginFailure && f.KeepOpen:
		return &FaultError{"keep_open", "belongs to login_failure"}
	}
	ban := f.Kind == FaultLoginFailure && f.Code == codeTemporaryBan
	if !ban && (f.Expire != 0 || f.BanCode != 0) {
		return &FaultError{"expire", "expire and ban code belong to login_failure with code 402"}
	}
	if err := f.checkReach(shape); err != nil {
		return err
	}
	if f.Expire < 0 {
		return &FaultError{"expire", "is negative"}
	}
	if f.Device != "" {
		if _, err := types.ParseJID(f.Device); err != nil {
			return &FaultError{"device", "expected the JID of a linked device"}
		}
	}
	return nil
}

// faultSet holds the faults that are switched on, oldest first.
type faultSet struct {
	observer *observe.Observer
	// active lets the busy paths skip the lock while there is no fault.
	active atomic.Int32

	mu     sync.Mutex
	last   int
	faults []Fault
	// dice are the draws of the faults with a probability.
	dice map[string]*rand.Rand
}

// add switches a fault on and returns its id. Of several that fit, the oldest strikes.
// The error is a *FaultError.
func (set *faultSet) add(fault Fault) (string, error) {
	if err := fault.check(); err != nil {
		return "", err
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	if len(set.faults) >= maxFaults {
		return "", &FaultError{"count", fmt.Sprintf("%d faults are set already", maxFaults)}
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

// clear switches one fault off and says whether it was on.
func (set *faultSet) clear(id string) bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	before := len(set.faults)
	set.faults = slices.DeleteFunc(set.faults, func(f Fault) bool { return f.ID == id })
	delete(set.dice, id)
	set.active.Store(int32(len(set.faults)))
	return len(set.faults) < before
}

// clearAll switches all faults off.
func (set *faultSet) clearAll() {
	set.mu.Lock()
	defer set.mu.Unlock()
	set.faults, set.dice = nil, nil
	set.active.Store(0)
}

// list lists the faults that are on, oldest first.
func (set *faultSet) list() []Fault {
	set.mu.Lock()
	defer set.mu.Unlock()
	return slices.Clone(set.faults)
}

// strike returns the oldest fault of a kind whose scope fits, counts it, and switches it off when it is used up. who
// is nil while the server does not know who connects.
func (set *faultSet) strike(kind FaultKind, who scope) (Fault, bool) {
	return set.strikeIf(kind, who, nil)
}

// strikeIf strikes with a fault that accept, unless it is nil, takes.
func (set *faultSet) strikeIf(kind FaultKind, who scope, accept func(*Fault) bool) (Fault, bool) {
	fault, ok := set.draw(kind, who, accept)
	if ok {
		set.observer.Count(func(c *observe.Counters) { observe.Increment(&c.Faults, string(kind)) })
		event := observe.Event{Kind: observe.EventFault, Detail: string(kind)}
		if who != nil {
			event.Account, event.Conn = who.scopeAccount(), who.scopeConn()
		}
		set.observer.Emit(event)
	}
	return fault, ok
}

// scope is what the reach of a fault or an action is compared with: an account, a device of one, or a connection.
type scope interface {
	scopeAccount() string
	scopeDevice(jid string) bool
	// scopeConn is the number of a connection, 0 for anything else.
	scopeConn() uint64
}

func (sel Select) reaches(who scope) bool {
	if sel == (Select{}) {
		return true
	}
	if who == nil {
		return false
	}
	return (sel.Account == "" || sel.Account == who.scopeAccount()) && (sel.Device == "" || who.scopeDevice(sel.Device)) &&
		(sel.Conn == 0 || sel.Conn == who.scopeConn())
}

// none says that no fault is on, without a lock.
func (set *faultSet) none() bool { return set.active.Load() == 0 }

// draw finds the fault that strikes.
func (set *faultSet) draw(kind FaultKind, who scope, accept func(*Fault) bool) (Fault, bool) {
	if set.none() {
		return Fault{}, false
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	for i := range set.faults {
		fault := &set.faults[i]
		if fault.Kind != kind || !(Select{fault.Account, fault.Device, fault.Conn}).reaches(who) || (accept != nil && !accept(fault)) {
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
