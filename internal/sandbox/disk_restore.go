package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"

	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/wire"
)

// restore makes what records tell of. Phones come first, as everything else belongs to one.
func (k *keeper) restore(records []stateRecord) error {
	byName := make(map[string]json.RawMessage, len(records))
	for _, record := range records {
		if len(record.Value) > 0 && string(record.Value) != "null" {
			byName[record.Key] = record.Value
		}
	}
	if raw, ok := byName[keyServer+"media"]; ok {
		if err := k.restoreSecret(raw); err != nil {
			return err
		}
	}
	for _, record := range records {
		if raw, ok := byName[record.Key]; ok && strings.HasPrefix(record.Key, keyPhone) {
			if err := k.restorePhone(raw, byName); err != nil {
				return fmt.Errorf("%s: %w", record.Key, err)
			}
		}
	}
	for _, record := range records {
		if raw, ok := byName[record.Key]; ok && strings.HasPrefix(record.Key, keyGroup) {
			if err := k.restoreGroup(raw); err != nil {
				return fmt.Errorf("%s: %w", record.Key, err)
			}
		}
	}
	for _, record := range records {
		kind, lid, ok := splitName(record.Key)
		owner := k.dir.byLID[lid]
		raw := byName[record.Key]
		if !ok || owner == nil || raw == nil {
			continue
		}
		var err error
		switch kind {
		case keyPhone:
			err = k.restoreHeld(owner.phone, raw)
		case keyProfile:
			err = k.restoreProfile(owner, raw)
		case keyMessage:
			err = k.restoreMessage(owner.phone, raw)
		case keySent:
			err = k.restoreSent(owner.phone, record.Key[len(keySent)+len(lid)+1:], raw)
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

func (k *keeper) restorePhone(raw json.RawMessage, byName map[string]json.RawMessage) error {
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
	p := k.newPhone(PhoneConfig{Number: state.Number, Name: state.Name, Script: state.Script, Delay: state.Delay}, sig, &Passkey{key: key, id: state.PasskeyID}, state.RawID)
	p.passkeyRequired, p.away = state.PasskeyRequired, state.Away
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
	if err = k.dir.add(a); err != nil {
		return err
	}
	return p.restoreSync(byName)
}

func restoreDevice(a *account, raw, rawKeys json.RawMessage) (*device, error) {
	var state deviceState
	if err := json.Unmarshal(raw, &state); err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	dev := &device{
		account: a, id: state.ID, keyIndex: state.KeyIndex, platform: state.Platform,
		signedIdentity: state.SignedIdentity, pushName: state.PushName,
		fullHistory: state.FullHistory, inlineHistory: state.InlineHistory,
	}
	dev.greeted.Store(state.Greeted)
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
		dev.queue = append(dev.queue, queued{key: stanza.KeyOf(node), node: *node})
	}
	return dev, nil
}

// chatOf finds a chat; false when its account or group was removed.
func (k *keeper) chatOf(state chatState) (chat, bool) {
	if !state.Group.IsEmpty() {
		found := k.groups.byJID[state.Group]
		return chat{group: found}, found != nil
	}
	found := k.dir.byLID[state.LID]
	return chat{account: found}, found != nil
}

func (k *keeper) restoreMessage(p *Phone, raw json.RawMessage) error {
	var state messageState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	sender := k.dir.byLID[state.By]
	in, ok := k.chatOf(state.Chat)
	if sender == nil || !ok {
		return nil // its phone or group was removed
	}
	message := state.Message
	message.sender, message.chat, message.secret, message.raw = state.Sender, in, state.Secret, state.Raw
	message.author, message.about = k.dir.byLID[state.Author], k.dir.byLID[state.About]
	message.Media = k.restoreMedia(&message, state.File)
	if len(p.messages) >= maxMessages {
		// The log still has what was dropped.
		oldest := p.messages[0]
		delete(p.byID, messageKey{oldest.author, oldest.ID})
		p.messages = p.messages[1:]
	}
	// Not by enter: what the message changed about others is in their own records.
	p.messages = append(p.messages, &message)
	p.byID[messageKey{sender, message.ID}] = &message
	return nil
}

func (k *keeper) restoreSent(p *Phone, id string, raw json.RawMessage) error {
	var state sentState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	if to, ok := k.chatOf(state.Chat); ok {
		p.keep(id, sentMessage{
			chat: to, kind: state.Kind, stanza: state.Stanza, edit: state.Edit, mediaType: state.MediaType,
			plain: state.Plain, copied: state.Copied, peer: state.Peer,
		})
	}
	return nil
}

// restoreHeld brings back what waits for a phone that is offline.
func (k *keeper) restoreHeld(p *Phone, raw json.RawMessage) error {
	var state phoneState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	for _, held := range state.Held {
		node, err := wire.DecodeNode(held.Node)
		if err != nil {
			return fmt.Errorf("%w: %w", errState, err)
		}
		in, ok := k.chatOf(held.Chat)
		from := k.dir.byLID[held.From]
		if from != nil && ok {
			p.held = append(p.held, delivery{node: *node, from: origin{account: from, device: held.Device, scripted: held.Scripted}, chat: in.account, group: in.group})
		}
	}
	return nil
}
