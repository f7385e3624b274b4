package sandbox

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/wire"
)

// errPayload is wrapped by errors about the client payload at the end of a handshake.
var errPayload = errors.New("client payload is not usable")

const (
	reasonBadRequest = 400
	reasonLoggedOut  = 401
)

// admit answers a finished handshake with a login, an offer to pair, or a refusal. It returns false when the connection
// is going to end.
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
		c.srv.net.Observer.Count(func(n *observe.Counters) { n.Registrations++ })
		c.srv.pairing.offer(c, reg)
		return true
	case payload.Username != nil:
		return c.logIn(established.ClientStatic, payload)
	default:
		c.refusePayload(fmt.Errorf("%w: neither a registration nor a login", errPayload))
		return false
	}
}

// refusePayload refuses a client with an invalid payload (400) and closes the connection.
func (c *conn) refusePayload(err error) {
	c.countMalformed("payload", err)
	c.SendLast(failure(reasonBadRequest), c.srv.cfg.CloseDelay)
}

func readRegistration(noise [32]byte, data *waWa6.ClientPayload_DevicePairingRegistrationData) (*accounts.Registration, error) {
	reg := &accounts.Registration{Noise: noise}
	for _, field := range []struct {
		name string
		from []byte
		to   []byte
	}{
		{"registration id", data.GetERegid(), reg.RegistrationID[:]},
		{"identity key", data.GetEIdent(), reg.Identity[:]},
		{"signed prekey id", data.GetESkeyID(), reg.Signed.ID[:]},
		{"signed prekey", data.GetESkeyVal(), reg.Signed.Value[:]},
		{"signed prekey signature", data.GetESkeySig(), reg.Signed.Signature[:]},
	} {
		if len(field.from) != len(field.to) {
			return nil, fmt.Errorf("%w: %s has %d bytes, expected %d", errPayload, field.name, len(field.from), len(field.to))
		}
		copy(field.to, field.from)
	}
	if !reg.Signed.Verify(reg.Identity) {
		return nil, fmt.Errorf("%w: the signed prekey is not signed by the identity key", errPayload)
	}
	var props waCompanionReg.DeviceProps
	if err := proto.Unmarshal(data.GetDeviceProps(), &props); err != nil {
		return nil, fmt.Errorf("%w: device props: %w", errPayload, err)
	}
	reg.Platform, reg.FullHistory = props.GetOs(), props.GetRequireFullSync()
	reg.InlineHistory = props.GetHistorySyncConfig().GetInlineInitialPayloadInE2EeMsg()
	return reg, nil
}

// logIn answers the login of a linked device.
func (c *conn) logIn(noise [32]byte, payload *waWa6.ClientPayload) bool {
	s := c.srv
	number := strconv.FormatUint(payload.GetUsername(), 10)
	dev := s.net.Dir.Linked(number, payload.GetDevice())
	// The credential is the Noise key, which the handshake has proved. The payload alone could name any device.
	if dev == nil || dev.Noise != noise {
		c.refuseLogin(failure(reasonLoggedOut), number, "401 unknown device", false)
		return false
	}
	c.claimed.Store(dev)
	if fault, ok := s.net.Faults.Strike(faults.LoginFailure, dev); ok {
		c.refuseLogin(failureOf(fault), number, strconv.Itoa(fault.Code)+" fault", fault.KeepOpen)
		return false
	}
	if _, ok := s.net.Faults.Strike(faults.SilentLogin, dev); ok {
		c.ending.Store(true)
		return true
	}
	c.device.Store(dev)
	if old := dev.Attach(c); old != nil {
		s.net.Observer.Count(func(n *observe.Counters) { n.Replaced++ })
		old.SendLast(stanza.StreamError(0, stanza.ConflictReplaced), s.cfg.CloseDelay)
	}
	s.net.Observer.Count(func(n *observe.Counters) { n.Logins++ })
	c.Send(waBinary.Node{Tag: "success", Attrs: waBinary.Attrs{
		"t":        stanza.Now(),
		"lid":      dev.Account.LIDJID(dev.ID),
		"location": "sandbox",
		"props":    "27",
		"abprops":  "1",
		"creation": "1700000000",
	}})
	s.net.Observer.Emit(observe.Event{Kind: observe.EventLoggedIn, Account: number, Device: dev.Account.JID(dev.ID).String(), Conn: c.id})
	if !payload.GetPassive() {
		c.activate(dev)
	}
	return true
}

// activate starts the delivery of stanzas to a logged-in connection.
func (c *conn) activate(dev *accounts.Device) {
	redelivered := dev.SetActive(c)
	c.srv.net.Observer.Count(func(n *observe.Counters) { n.Redelivered += int64(redelivered) })
	if !dev.Greeted.Load() {
		dev.Account.Phone.Take(accounts.Delivery{Node: waBinary.Node{Tag: accounts.TagLinked}, From: accounts.Origin{Account: dev.Account, Device: dev.ID}, Chat: dev.Account})
	}
	c.srv.net.Observer.Emit(observe.Event{Kind: observe.EventActive, Account: dev.Account.Number, Device: dev.Account.JID(dev.ID).String(), Conn: c.id})
}

func (c *conn) refuseLogin(node waBinary.Node, number, why string, keepOpen bool) {
	s := c.srv
	s.net.Observer.Count(func(n *observe.Counters) { n.LoginsRefused++ })
	s.net.Observer.Emit(observe.Event{Kind: observe.EventLoginRefused, Account: number, Conn: c.id, Detail: why})
	if keepOpen {
		c.Send(node)
		return
	}
	c.SendLast(node, s.cfg.CloseDelay)
}

// failure returns the stanza that refuses a login.
func failure(reason int) waBinary.Node {
	return waBinary.Node{Tag: "failure", Attrs: waBinary.Attrs{"reason": strconv.Itoa(reason), "location": "sandbox"}}
}

func failureOf(fault faults.Fault) waBinary.Node {
	node := failure(fault.Code)
	if fault.Code == faults.CodeTemporaryBan {
		code := fault.BanCode
		if code == 0 {
			code = faults.DefaultBanCode
		}
		node.Attrs["code"] = strconv.Itoa(code)
		node.Attrs["expire"] = strconv.FormatInt(int64(fault.Expire.Seconds()), 10)
	}
	return node
}

// digestOf shortens a key for logs and events.
func digestOf(key [32]byte) string {
	sum := sha256.Sum256(key[:])
	return stanza.UpperHex(sum[:4])
}
