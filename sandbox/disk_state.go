package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/sandbox/internal/signal"
	"wasup/sandbox/internal/wire"
)

// What is on disk, by the beginning of its name. Names go by hidden ids, which belong to one account for ever.
const (
	keyPhone   = "p/" // p/LID
	keyDevice  = "d/" // d/LID/DEVICE
	keyPreKeys = "k/" // k/LID/DEVICE
	keyMessage = "m/" // m/LID/LID OF THE SENDER/ID
	keySent    = "s/" // s/LID/ID
)

type phoneState struct {
	Number          string          `json:"number"`
	LID             string          `json:"lid"`
	Name            string          `json:"name"`
	Script          Script          `json:"script"`
	RawID           uint32          `json:"raw_id"`
	LastDevice      uint16          `json:"last_device"`
	LastKeyIndex    uint32          `json:"last_key_index"`
	Devices         []uint16        `json:"devices"`
	PasskeyRequired bool            `json:"passkey_required"`
	Passkey         []byte          `json:"passkey"`
	PasskeyID       []byte          `json:"passkey_id"`
	Signal          json.RawMessage `json:"signal"`
}

type deviceState struct {
	ID             uint16   `json:"id"`
	KeyIndex       uint32   `json:"key_index"`
	Noise          []byte   `json:"noise"`
	Identity       []byte   `json:"identity"`
	RegistrationID []byte   `json:"registration_id"`
	Platform       string   `json:"platform"`
	SignedIdentity []byte   `json:"signed_identity"`
	SignedID       []byte   `json:"signed_id"`
	SignedKey      []byte   `json:"signed_key"`
	Signature      []byte   `json:"signature"`
	PushName       string   `json:"push_name"`
	Queue          [][]byte `json:"queue"` // stanzas as they are sent
}

type messageState struct {
	Message Message   `json:"message"`
	Sender  types.JID `json:"sender"`
	By      string    `json:"by"` // the hidden id of the account that sent it
}

type sentState struct {
	Chat   string `json:"chat"` // a hidden id
	Plain  []byte `json:"plain"`
	Copied []byte `json:"copied"`
}

var errState = errors.New("a record is not one of this program")

// openDisk takes a folder and reads what is there.
func (s *Server) openDisk(path string) (*disk, error) {
	failed := func(err error) (*disk, error) { return nil, fmt.Errorf("sandbox: state in %q: %w", path, err) }
	if err := os.MkdirAll(path, 0o700); err != nil {
		return failed(err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return failed(err)
	}
	d := &disk{path: path, log: s.log, lock: lock, seed: maphash.MakeSeed(), collect: s.collectState}
	if err = lockFile(lock); err == nil {
		var records []stateRecord
		if records, err = load(filepath.Join(path, stateFile)); err == nil {
			err = s.restore(records)
		}
	}
	if err == nil {
		// The end of the old log may be half a record.
		err = d.compact()
	}
	if err != nil {
		_ = lock.Close()
		return failed(err)
	}
	return d, nil
}

// collectState tells what changed.
func (s *Server) collectState(all bool, emit func(string, any) error) error {
	for _, lid := range s.dir.takeRemoved() {
		if err := emit(keyPhone+lid, nil); err != nil {
			return err
		}
	}
	for _, phone := range s.Phones() {
		if !phone.account.changed.Swap(false) && !all {
			continue
		}
		if err := phone.collect(emit); err != nil {
			phone.account.changed.Store(true)
			return err
		}
	}
	return nil
}

// collect tells everything about an account. What the phone's record names comes before it.
func (p *Phone) collect(emit func(string, any) error) error {
	a := p.account
	// The ratchets first: what they have decrypted is then among the messages.
	sig, err := p.sig.State()
	if err != nil {
		return err
	}
	key, err := x509.MarshalECPrivateKey(p.passkey.key)
	if err != nil {
		return err
	}
	state := phoneState{
		Number: a.number, LID: a.lid, Name: p.name, Script: p.Script(), RawID: a.rawID, PasskeyRequired: p.PasskeyRequired(),
		Passkey: key, PasskeyID: p.passkey.id, Signal: sig,
	}
	p.srv.dir.mu.RLock()
	state.LastDevice, state.LastKeyIndex = a.lastDevice, a.lastKeyIndex
	p.srv.dir.mu.RUnlock()
	for _, dev := range p.srv.dir.devicesOf(a) {
		state.Devices = append(state.Devices, dev.id)
		if err = dev.collect(emit); err != nil {
			return err
		}
	}
	if err = p.collectMessages(emit); err != nil {
		return err
	}
	return emit(keyPhone+a.lid, state)
}

func (p *Phone) collectMessages(emit func(string, any) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	by := make(map[*Message]*account, len(p.byID))
	for key, message := range p.byID {
		by[message] = key.account
	}
	for _, message := range p.messages {
		sender := by[message]
		if sender == nil {
			continue
		}
		err := emit(keyMessage+p.account.lid+"/"+sender.lid+"/"+message.ID, messageState{*message, message.sender, sender.lid})
		if err != nil {
			return err
		}
	}
	for _, id := range p.order {
		sent, ok := p.sent[id]
		if !ok {
			continue
		}
		if err := emit(keySent+p.account.lid+"/"+id, sentState{sent.chat.lid, sent.plain, sent.copied}); err != nil {
			return err
		}
	}
	return nil
}

func (d *device) collect(emit func(string, any) error) error {
	d.mu.Lock()
	state := deviceState{
		ID: d.id, KeyIndex: d.keyIndex, Noise: d.noise[:], Identity: d.identity[:], RegistrationID: d.registrationID[:],
		Platform: d.platform, SignedIdentity: d.signedIdentity, PushName: d.pushName,
	}
	signed := d.signed
	preKeys := make([]byte, 0, len(d.preKeys)*oneTimeKeySize)
	for i := range d.preKeys {
		preKeys = append(append(preKeys, d.preKeys[i].id[:]...), d.preKeys[i].value[:]...)
	}
	queue := append([]queued(nil), d.queue...)
	d.mu.Unlock()
	state.SignedID, state.SignedKey, state.Signature = signed.id[:], signed.value[:], signed.signature[:]
	for i := range queue {
		encoded, err := waBinary.Marshal(queue[i].node)
		if err != nil {
			return fmt.Errorf("encode a waiting stanza: %w", err)
		}
		state.Queue = append(state.Queue, encoded)
	}
	name := fmt.Sprintf("%s/%d", d.account.lid, d.id)
	if err := emit(keyPreKeys+name, preKeys); err != nil {
		return err
	}
	return emit(keyDevice+name, state)
}

// oneTimeKeySize is how long a one-time prekey is on disk, in bytes.
const oneTimeKeySize = 3 + 32

// restore makes what records tell of. Phones come first, as everything else belongs to one.
func (s *Server) restore(records []stateRecord) error {
	byName := make(map[string]json.RawMessage, len(records))
	for _, record := range records {
		if len(record.Value) > 0 && string(record.Value) != "null" {
			byName[record.Key] = record.Value
		}
	}
	for _, record := range records {
		if raw, ok := byName[record.Key]; ok && strings.HasPrefix(record.Key, keyPhone) {
			if err := s.restorePhone(raw, byName); err != nil {
				return fmt.Errorf("%s: %w", record.Key, err)
			}
		}
	}
	for _, record := range records {
		kind, lid, ok := splitName(record.Key)
		owner := s.dir.byLID[lid]
		raw := byName[record.Key]
		if !ok || owner == nil || raw == nil {
			continue
		}
		var err error
		switch kind {
		case keyMessage:
			err = s.restoreMessage(owner.phone, raw)
		case keySent:
			err = s.restoreSent(owner.phone, record.Key[len(keySent)+len(lid)+1:], raw)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", record.Key, err)
		}
	}
	return nil
}

// splitName takes the kind and the hidden id of the owner from a name.
func splitName(name string) (kind, lid string, ok bool) {
	if len(name) < 2 {
		return "", "", false
	}
	lid, _, _ = strings.Cut(name[2:], "/")
	return name[:2], lid, lid != ""
}

func (s *Server) restorePhone(raw json.RawMessage, byName map[string]json.RawMessage) error {
	var state phoneState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	if !validNumber(state.Number) || state.LID == "" || !state.Script.valid() {
		return fmt.Errorf("%w: number, hidden id or script", errState)
	}
	sig, err := signal.NewDeviceFromState(state.Signal)
	if err != nil {
		return err
	}
	key, err := x509.ParseECPrivateKey(state.Passkey)
	if err != nil {
		return fmt.Errorf("%w: passkey: %w", errState, err)
	}
	p := s.newPhone(PhoneConfig{Number: state.Number, Name: state.Name, Script: state.Script}, sig, &Passkey{key: key, id: state.PasskeyID}, state.RawID)
	p.passkeyRequired = state.PasskeyRequired
	a := p.account
	a.lid, a.lastDevice, a.lastKeyIndex = state.LID, state.LastDevice, state.LastKeyIndex
	for _, id := range state.Devices {
		name := fmt.Sprintf("%s/%d", a.lid, id)
		dev, err := restoreDevice(a, byName[keyDevice+name], byName[keyPreKeys+name])
		if err != nil {
			return fmt.Errorf("device %d: %w", id, err)
		}
		a.devices[id] = dev
	}
	return s.dir.add(a)
}

func restoreDevice(a *account, raw, rawKeys json.RawMessage) (*device, error) {
	var state deviceState
	if err := json.Unmarshal(raw, &state); err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	dev := &device{
		account: a, id: state.ID, keyIndex: state.KeyIndex, platform: state.Platform,
		signedIdentity: state.SignedIdentity, pushName: state.PushName,
	}
	for _, field := range []struct{ to, from []byte }{
		{dev.noise[:], state.Noise},
		{dev.identity[:], state.Identity},
		{dev.registrationID[:], state.RegistrationID},
		{dev.signed.id[:], state.SignedID},
		{dev.signed.value[:], state.SignedKey},
		{dev.signed.signature[:], state.Signature},
	} {
		if len(field.from) != len(field.to) {
			return nil, fmt.Errorf("%w: a key has %d bytes, expected %d", errState, len(field.from), len(field.to))
		}
		copy(field.to, field.from)
	}
	var preKeys []byte
	if err := json.Unmarshal(rawKeys, &preKeys); err != nil || len(preKeys)%oneTimeKeySize != 0 {
		return nil, fmt.Errorf("%w: prekeys", errState)
	}
	for ; len(preKeys) > 0; preKeys = preKeys[oneTimeKeySize:] {
		dev.preKeys = append(dev.preKeys, oneTimeKey{id: [3]byte(preKeys[:3]), value: [32]byte(preKeys[3:oneTimeKeySize])})
	}
	for _, encoded := range state.Queue {
		node, err := wire.DecodeNode(encoded)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errState, err)
		}
		dev.queue = append(dev.queue, queued{key: keyOf(node), node: *node})
	}
	return dev, nil
}

func (s *Server) restoreMessage(p *Phone, raw json.RawMessage) error {
	var state messageState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	sender := s.dir.byLID[state.By]
	if sender == nil {
		return nil // its phone was removed
	}
	message := state.Message
	message.sender = state.Sender
	p.enter(messageKey{sender, message.ID}, &message)
	return nil
}

func (s *Server) restoreSent(p *Phone, id string, raw json.RawMessage) error {
	var state sentState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	if chat := s.dir.byLID[state.Chat]; chat != nil {
		p.keep(id, sentMessage{chat: chat, plain: state.Plain, copied: state.Copied})
	}
	return nil
}
