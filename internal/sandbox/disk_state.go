package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/signal"
)

// What is on disk, by the beginning of its name. Names go by hidden ids, which belong to one account for ever.
const (
	keyPhone   = "p/" // p/LID
	keyDevice  = "d/" // d/LID/DEVICE
	keyPreKeys = "k/" // k/LID/DEVICE
	keyMessage = "m/" // m/LID/LID OF THE SENDER/ID
	keySent    = "s/" // s/LID/ID
	keyGroup   = "g/" // g/JID
	keyProfile = "f/" // f/LID
	keyServer  = "x/" // x/media
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
	Delay           time.Duration   `json:"delay"`
	Away            bool            `json:"away"`
	Held            []heldState     `json:"held"`
}

// chatState names an account by its hidden id, or a group.
type chatState struct {
	LID   string    `json:"lid,omitempty"`
	Group types.JID `json:"group"`
}

// heldState is what waits for a phone that is offline.
type heldState struct {
	Node     []byte    `json:"node"`
	From     string    `json:"from"`
	Device   uint16    `json:"device"`
	Scripted bool      `json:"scripted"`
	Chat     chatState `json:"chat"`
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
	FullHistory    bool     `json:"full_history,omitempty"`
	InlineHistory  bool     `json:"inline_history,omitempty"`
	Greeted        bool     `json:"greeted,omitempty"`
	Queue          [][]byte `json:"queue"` // stanzas as they are sent
}

type messageState struct {
	Message Message   `json:"message"`
	Sender  types.JID `json:"sender"`
	By      string    `json:"by"` // the hidden id of the account that sent it
	Author  string    `json:"author"`
	About   string    `json:"about"`
	Chat    chatState `json:"chat"`
	Secret  []byte    `json:"secret"`
	Raw     []byte    `json:"raw,omitempty"`
	// File has the keys of the message's file, which is described in the message itself.
	File *fileState `json:"file,omitempty"`
}

type fileState struct {
	Key          []byte `json:"key"`
	PlainSHA256  []byte `json:"plain_sha256"`
	SealedSHA256 []byte `json:"sealed_sha256"`
}

type sentState struct {
	Chat      chatState `json:"chat"`
	Kind      Kind      `json:"kind"`
	Stanza    string    `json:"stanza"`
	Edit      string    `json:"edit"`
	MediaType string    `json:"media_type"`
	Plain     []byte    `json:"plain"`
	Copied    []byte    `json:"copied"`
	Peer      bool      `json:"peer,omitempty"`
}

var errState = errors.New("a record is not one of this program")

// keeper turns what the server knows into records, and records into what it knows.
type keeper struct {
	*network

	newPhone func(PhoneConfig, *signal.Device, *Passkey, uint32) *Phone
}

// openDisk takes a folder and reads what is there.
func openDisk(path string, s *Server) (*disk, error) {
	k := &keeper{network: s.network, newPhone: s.newPhone}
	failed := func(err error) (*disk, error) { return nil, fmt.Errorf("sandbox: state in %q: %w", path, err) }
	if err := os.MkdirAll(path, 0o700); err != nil {
		return failed(err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return failed(err)
	}
	d := &disk{path: path, log: s.log, lock: lock, seed: maphash.MakeSeed(), collect: k.collect}
	if err = lockFile(lock); err == nil {
		// Before the profiles, which name pictures.
		err = s.media.openFolder(filepath.Join(path, mediaFolder), time.Now())
	}
	if err == nil {
		var records []stateRecord
		if records, err = load(filepath.Join(path, stateFile)); err == nil {
			err = k.restore(records)
		}
	}
	if err == nil {
		// Profiles have said what they show; limits may be other ones now.
		s.media.tidy(time.Now())
		// The end of the old log may be half a record.
		err = d.compact()
	}
	if err != nil {
		_ = lock.Close()
		return failed(err)
	}
	return d, nil
}

// collect tells what changed.
func (k *keeper) collect(all bool, emit func(string, any) error) error {
	for _, lid := range k.dir.takeRemoved() {
		if err := emit(keyPhone+lid, nil); err != nil {
			return err
		}
	}
	if all {
		if err := emit(keyServer+"media", k.media.secret[:]); err != nil {
			return err
		}
	}
	changed := all
	for _, phone := range k.dir.phones() {
		if !phone.account.changed.Swap(false) && !all {
			continue
		}
		changed = true
		if err := phone.collect(emit); err != nil {
			phone.account.changed.Store(true)
			return err
		}
	}
	if !changed {
		return nil
	}
	// Whoever changes a group is an account, and its members are told.
	return k.groups.collect(emit)
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
		Number: a.number, LID: a.lid, Name: p.Name(), Script: p.Script(), RawID: a.rawID, PasskeyRequired: p.PasskeyRequired(),
		Passkey: key, PasskeyID: p.passkey.id, Signal: sig,
	}
	if state.Held, err = p.collectHeld(); err != nil {
		return err
	}
	state.Delay, state.Away = p.Delay(), !p.Online()
	p.net.dir.mu.RLock()
	state.LastDevice, state.LastKeyIndex = a.lastDevice, a.lastKeyIndex
	p.net.dir.mu.RUnlock()
	for _, dev := range p.net.dir.devicesOf(a) {
		state.Devices = append(state.Devices, dev.id)
		if err = dev.collect(emit); err != nil {
			return err
		}
	}
	if err = p.collectMessages(emit); err != nil {
		return err
	}
	if err = p.collectSent(emit); err != nil {
		return err
	}
	if err = p.collectSync(emit); err != nil {
		return err
	}
	if err = emit(keyProfile+a.lid, p.net.profiles.of(a).collect()); err != nil {
		return err
	}
	return emit(keyPhone+a.lid, state)
}

func (p *journal) collectMessages(emit func(string, any) error) error {
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
		state := messageState{
			Message: *message, Sender: message.sender, By: sender.lid, Author: lidOf(message.author), About: lidOf(message.about),
			Chat: stateOf(message.chat), Secret: message.secret, Raw: message.raw,
		}
		if file := message.Media; file != nil {
			state.File = &fileState{file.sealed.Key, file.sealed.PlainSHA256, file.sealed.SealedSHA256}
		}
		if err := emit(keyMessage+p.account.lid+"/"+sender.lid+"/"+message.ID, state); err != nil {
			return err
		}
	}
	return nil
}

func (p *sender) collectSent(emit func(string, any) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range p.order {
		sent, ok := p.sent[id]
		if !ok {
			continue
		}
		state := sentState{stateOf(sent.chat), sent.kind, sent.stanza, sent.edit, sent.mediaType, sent.plain, sent.copied, sent.peer}
		if err := emit(keySent+p.account.lid+"/"+id, state); err != nil {
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
		FullHistory: d.fullHistory, InlineHistory: d.inlineHistory, Greeted: d.greeted.Load(),
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

func lidOf(a *account) string {
	if a == nil {
		return ""
	}
	return a.lid
}

func stateOf(c chat) chatState {
	if c.group != nil {
		return chatState{Group: c.group.jid}
	}
	return chatState{LID: lidOf(c.account)}
}

func (p *availability) collectHeld() ([]heldState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := make([]heldState, 0, len(p.held))
	for i := range p.held {
		d := &p.held[i]
		encoded, err := waBinary.Marshal(d.node)
		if err != nil {
			return nil, fmt.Errorf("encode a waiting stanza: %w", err)
		}
		held = append(held, heldState{encoded, lidOf(d.from.account), d.from.device, d.from.scripted, stateOf(chat{d.chat, d.group})})
	}
	return held, nil
}
