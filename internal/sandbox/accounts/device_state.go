package accounts

import (
	"encoding/json"
	"fmt"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/wire"
)

// The prefixes of the keys of device records.
const (
	keyDevice  = "d/" // d/LID/DEVICE
	keyPreKeys = "k/" // k/LID/DEVICE
)

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

// Collect emits the records of a device: one with its one-time prekeys and one with everything else.
func (d *Device) Collect(emit func(string, any) error) error {
	d.mu.Lock()
	state := deviceState{
		ID: d.ID, KeyIndex: d.KeyIndex, Noise: d.Noise[:], Identity: d.Identity[:], RegistrationID: d.RegistrationID[:],
		Platform: d.Platform, SignedIdentity: d.SignedIdentity, PushName: d.pushName,
		FullHistory: d.FullHistory, InlineHistory: d.InlineHistory, Greeted: d.Greeted.Load(),
	}
	signed := d.Signed
	preKeys := make([]byte, 0, len(d.PreKeys)*oneTimeKeySize)
	for i := range d.PreKeys {
		preKeys = append(append(preKeys, d.PreKeys[i].id[:]...), d.PreKeys[i].value[:]...)
	}
	queue := append([]queued(nil), d.queue...)
	d.mu.Unlock()
	state.SignedID, state.SignedKey, state.Signature = signed.ID[:], signed.Value[:], signed.Signature[:]
	for i := range queue {
		encoded, err := waBinary.Marshal(queue[i].node)
		if err != nil {
			return fmt.Errorf("encode a waiting stanza: %w", err)
		}
		state.Queue = append(state.Queue, encoded)
	}
	name := fmt.Sprintf("%s/%d", d.Account.LID, d.ID)
	if err := emit(keyPreKeys+name, preKeys); err != nil {
		return err
	}
	return emit(keyDevice+name, state)
}

// oneTimeKeySize is the length of a one-time prekey on disk, in bytes: the id and the key.
const oneTimeKeySize = 3 + 32

// RestoreDevice returns a device read from the records of its account. It fails with disk.ErrRecord if they are
// malformed.
func RestoreDevice(a *Account, lid string, id uint16, records map[string]json.RawMessage) (*Device, error) {
	name := fmt.Sprintf("%s/%d", lid, id)
	raw, rawKeys := records[keyDevice+name], records[keyPreKeys+name]
	var state deviceState
	if err := json.Unmarshal(raw, &state); err != nil {
		return nil, fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	dev := &Device{
		Account: a, ID: state.ID, KeyIndex: state.KeyIndex,
		SignedIdentity: state.SignedIdentity, pushName: state.PushName,
	}
	dev.Platform, dev.FullHistory, dev.InlineHistory = state.Platform, state.FullHistory, state.InlineHistory
	dev.Greeted.Store(state.Greeted)
	for _, field := range []struct{ to, from []byte }{
		{dev.Noise[:], state.Noise},
		{dev.Identity[:], state.Identity},
		{dev.RegistrationID[:], state.RegistrationID},
		{dev.Signed.ID[:], state.SignedID},
		{dev.Signed.Value[:], state.SignedKey},
		{dev.Signed.Signature[:], state.Signature},
	} {
		if len(field.from) != len(field.to) {
			return nil, fmt.Errorf("%w: a key has %d bytes, expected %d", disk.ErrRecord, len(field.from), len(field.to))
		}
		copy(field.to, field.from)
	}
	var preKeys []byte
	if err := json.Unmarshal(rawKeys, &preKeys); err != nil || len(preKeys)%oneTimeKeySize != 0 {
		return nil, fmt.Errorf("%w: prekeys", disk.ErrRecord)
	}
	for ; len(preKeys) > 0; preKeys = preKeys[oneTimeKeySize:] {
		dev.PreKeys = append(dev.PreKeys, OneTimeKey{id: [3]byte(preKeys[:3]), value: [32]byte(preKeys[3:oneTimeKeySize])})
	}
	for _, encoded := range state.Queue {
		node, err := wire.DecodeNode(encoded)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", disk.ErrRecord, err)
		}
		dev.queue = append(dev.queue, queued{key: stanza.KeyOf(node), node: *node})
	}
	return dev, nil
}
