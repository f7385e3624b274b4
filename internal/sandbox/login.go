package sandbox

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"go.mau.fi/libsignal/ecc"
	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/wire"
)

// errPayload is wrapped by errors about the payload that ends a handshake.
var errPayload = errors.New("client payload is not usable")

const (
	reasonBadRequest = 400
	reasonLoggedOut  = 401
)

// admit answers a finished handshake: a login, an offer to pair, or a refusal. It says whether the connection
// goes on.
func (c *conn) admit(established wire.Established) bool {
	payload := established.Payload
	switch {
	case c.srv.versions.outdated(payload):
		c.refuseLogin(failure(reasonOutdated), "", "405 outdated", false)
		return false
	case payload.DevicePairingData != nil:
		reg, err := readRegistration(established.ClientStatic, payload.GetDevicePairingData())
		if err != nil {
			c.refusePayload(err)
			return false
		}
		c.srv.observer.Count(func(n *observe.Counters) { n.Registrations++ })
		c.srv.pairing.offer(c, reg)
		return true
	case payload.Username != nil:
		return c.logIn(established.ClientStatic, payload)
	default:
		c.refusePayload(fmt.Errorf("%w: neither a registration nor a login", errPayload))
		return false
	}
}

// refusePayload tells a client that what it said of itself cannot be used, and closes.
func (c *conn) refusePayload(err error) {
	c.countMalformed("payload", err)
	c.sendLast(failure(reasonBadRequest), c.srv.cfg.CloseDelay)
}

// registration is what an unpaired client says about itself.
type registration struct {
	noise, identity [32]byte
	registrationID  [4]byte
	signed          signedKey
	platform        string
	// fullHistory and inlineHistory say how the client wants the phone's history.
	fullHistory, inlineHistory bool
}

func readRegistration(noise [32]byte, data *waWa6.ClientPayload_DevicePairingRegistrationData) (*registration, error) {
	reg := &registration{noise: noise}
	for _, field := range []struct {
		name string
		from []byte
		to   []byte
	}{
		{"registration id", data.GetERegid(), reg.registrationID[:]},
		{"identity key", data.GetEIdent(), reg.identity[:]},
		{"signed prekey id", data.GetESkeyID(), reg.signed.id[:]},
		{"signed prekey", data.GetESkeyVal(), reg.signed.value[:]},
		{"signed prekey signature", data.GetESkeySig(), reg.signed.signature[:]},
	} {
		if len(field.from) != len(field.to) {
			return nil, fmt.Errorf("%w: %s has %d bytes, expected %d", errPayload, field.name, len(field.from), len(field.to))
		}
		copy(field.to, field.from)
	}
	if !reg.signed.verify(reg.identity) {
		return nil, fmt.Errorf("%w: the signed prekey is not signed by the identity key", errPayload)
	}
	var props waCompanionReg.DeviceProps
	if err := proto.Unmarshal(data.GetDeviceProps(), &props); err != nil {
		return nil, fmt.Errorf("%w: device props: %w", errPayload, err)
	}
	reg.platform, reg.fullHistory = props.GetOs(), props.GetRequireFullSync()
	reg.inlineHistory = props.GetHistorySyncConfig().GetInlineInitialPayloadInE2EeMsg()
	return reg, nil
}

// verify checks that identity signed the prekey.
func (k *signedKey) verify(identity [32]byte) bool {
	signed := append([]byte{ecc.DjbType}, k.value[:]...)
	return ecc.VerifySignature(ecc.NewDjbECPublicKey(identity), signed, k.signature)
}

// logIn answers the login of a linked device.
func (c *conn) logIn(noise [32]byte, payload *waWa6.ClientPayload) bool {
	s := c.srv
	number := strconv.FormatUint(payload.GetUsername(), 10)
	dev := s.dir.linked(number, payload.GetDevice())
	// The Noise key, which the handshake proved, is the credential: a payload alone can name any device.
	if dev == nil || dev.noise != noise {
		c.refuseLogin(failure(reasonLoggedOut), number, "401 unknown device", false)
		return false
	}
	if fault, ok := s.faults.strike(FaultLoginFailure, dev); ok {
		c.refuseLogin(failureOf(fault), number, strconv.Itoa(fault.Code)+" fault", fault.KeepOpen)
		return false
	}
	if _, ok := s.faults.strike(FaultSilentLogin, dev); ok {
		c.ending.Store(true)
		return true
	}
	c.device.Store(dev)
	if old := dev.attach(c); old != nil {
		s.observer.Count(func(n *observe.Counters) { n.Replaced++ })
		old.sendLast(streamError(0, conflictReplaced), s.cfg.CloseDelay)
	}
	s.observer.Count(func(n *observe.Counters) { n.Logins++ })
	c.send(waBinary.Node{Tag: "success", Attrs: waBinary.Attrs{
		"t":        stanza.Now(),
		"lid":      dev.account.lidJID(dev.id),
		"location": "sandbox",
		"props":    "27",
		"abprops":  "1",
		"creation": "1700000000",
	}})
	s.observer.Emit(observe.Event{Kind: observe.EventLoggedIn, Account: number, Device: dev.account.jid(dev.id).String(), Conn: c.id})
	if !payload.GetPassive() {
		c.activate(dev)
	}
	return true
}

// activate lets stanzas through to a logged-in connection.
func (c *conn) activate(dev *device) {
	redelivered := dev.setActive(c)
	c.srv.observer.Count(func(n *observe.Counters) { n.Redelivered += int64(redelivered) })
	if !dev.greeted.Load() {
		dev.account.phone.take(delivery{node: waBinary.Node{Tag: tagLinked}, from: origin{account: dev.account, device: dev.id}, chat: dev.account})
	}
	c.srv.observer.Emit(observe.Event{Kind: observe.EventActive, Account: dev.account.number, Device: dev.account.jid(dev.id).String(), Conn: c.id})
}

func (c *conn) refuseLogin(node waBinary.Node, number, why string, keepOpen bool) {
	s := c.srv
	s.observer.Count(func(n *observe.Counters) { n.LoginsRefused++ })
	s.observer.Emit(observe.Event{Kind: observe.EventLoginRefused, Account: number, Conn: c.id, Detail: why})
	if keepOpen {
		c.send(node)
		return
	}
	c.sendLast(node, s.cfg.CloseDelay)
}

// linked finds a linked device by the two numbers of a login.
func (d *directory) linked(number string, id uint32) *device {
	if id == 0 || id > maxDeviceID {
		return nil
	}
	account := d.find(types.NewJID(number, types.DefaultUserServer))
	if account == nil {
		return nil
	}
	return d.device(account, uint16(id))
}

// failure is the stanza that refuses a login.
func failure(reason int) waBinary.Node {
	return waBinary.Node{Tag: "failure", Attrs: waBinary.Attrs{"reason": strconv.Itoa(reason), "location": "sandbox"}}
}

func failureOf(fault Fault) waBinary.Node {
	node := failure(fault.Code)
	if fault.Code == codeTemporaryBan {
		code := fault.BanCode
		if code == 0 {
			code = defaultBanCode
		}
		node.Attrs["code"] = strconv.Itoa(code)
		node.Attrs["expire"] = strconv.FormatInt(int64(fault.Expire.Seconds()), 10)
	}
	return node
}

// The conflicts that a stream error may name.
const (
	conflictReplaced      = "replaced"
	conflictDeviceRemoved = "device_removed"
)

// streamError is the stanza that ends a live connection; code 0 leaves the code out.
func streamError(code int, conflict string) waBinary.Node {
	node := waBinary.Node{Tag: "stream:error", Attrs: waBinary.Attrs{}}
	if code != 0 {
		node.Attrs["code"] = strconv.Itoa(code)
	}
	if conflict != "" {
		node.Content = []waBinary.Node{{Tag: "conflict", Attrs: waBinary.Attrs{"type": conflict}}}
	}
	return node
}

// digestOf shortens a key for logs and events.
func digestOf(key [32]byte) string {
	sum := sha256.Sum256(key[:])
	return stanza.UpperHex(sum[:4])
}
