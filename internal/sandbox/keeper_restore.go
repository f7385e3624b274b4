package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"

	"wasup/internal/sandbox/channels"
	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/passkey"
	"wasup/internal/sandbox/phones"
	"wasup/internal/sandbox/profiles"
)

// restore restores the state from records. Phones come first, because everything else belongs to one.
func (k *keeper) restore(records []disk.Record) error {
	byName := make(map[string]json.RawMessage, len(records))
	for _, record := range records {
		if len(record.Value) > 0 && string(record.Value) != "null" {
			byName[record.Key] = record.Value
		}
	}
	if raw, ok := byName[keyServer+"media"]; ok {
		if err := k.Media.RestoreSecret(raw); err != nil {
			return err
		}
	}
	for _, owner := range []struct {
		prefix  string
		restore func(json.RawMessage) error
	}{
		{phones.KeyPhone, func(raw json.RawMessage) error { return k.restorePhone(raw, byName) }},
		{groups.KeyGroup, func(raw json.RawMessage) error { return k.Groups.Restore(raw, k.Media) }},
		{groups.KeyList, k.Groups.Lists.Restore},
		{channels.Key, k.Channels.Restore},
	} {
		for _, record := range records {
			raw, ok := byName[record.Key]
			if !ok || !strings.HasPrefix(record.Key, owner.prefix) {
				continue
			}
			if err := owner.restore(raw); err != nil {
				return fmt.Errorf("%s: %w", record.Key, err)
			}
		}
	}
	for _, record := range records {
		kind, lid, ok := splitName(record.Key)
		owner := k.Dir.Hidden(lid)
		raw := byName[record.Key]
		if !ok || owner == nil || raw == nil {
			continue
		}
		var err error
		switch kind {
		case phones.KeyPhone:
			err = k.phones.get(owner.Number).RestoreHeld(raw)
		case profiles.Key:
			err = k.Profiles.Restore(owner, raw)
		case phones.KeyMessage:
			err = k.phones.get(owner.Number).RestoreMessage(raw)
		case phones.KeySent:
			err = k.phones.get(owner.Number).RestoreSent(record.Key[len(phones.KeySent)+len(lid)+1:], raw)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", record.Key, err)
		}
	}
	return nil
}

// splitName returns the kind of a record and the hidden id of its owner, from its key.
func splitName(name string) (kind, lid string, ok bool) {
	if len(name) < 2 {
		return "", "", false
	}
	lid, _, _ = strings.Cut(name[2:], "/")
	return name[:2], lid, lid != ""
}

func (k *keeper) restorePhone(raw json.RawMessage, byName map[string]json.RawMessage) error {
	virtual, state, err := phones.Restore(k.Network, raw, byName)
	if err != nil {
		return err
	}
	key, err := passkey.Restore(state.Passkey, state.PasskeyID)
	if err != nil {
		return fmt.Errorf("%w: passkey: %w", disk.ErrRecord, err)
	}
	p := &Phone{Phone: virtual, linker: &linker{phone: virtual, pairing: k.pairing, passkey: key, passkeyRequired: state.PasskeyRequired}}
	if err = k.phones.add(k.Dir, p); err != nil {
		return err
	}
	return p.RestoreSync(byName)
}
