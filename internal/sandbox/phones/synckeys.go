package phones

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/syncd"
)

// lookup finds an app state key by its id. The caller holds the lock.
func (p *phoneSync) lookup(id []byte) (syncd.Key, bool) {
	i := slices.IndexFunc(p.keys, func(k syncd.Key) bool { return string(k.ID) == string(id) })
	if i < 0 {
		return syncd.Key{}, false
	}
	return p.keys[i], true
}

// newKey makes a key, which is used from now on. The caller holds the lock.
func (p *phoneSync) newKey() syncd.Key {
	key := syncd.Key{ID: make([]byte, 2, 6), Data: make([]byte, syncKeySize), Time: time.Now().UnixMilli()}
	_, _ = rand.Read(key.Data)
	// The id is the device that made the key (0, the phone), and the number of the key.
	key.ID = binary.BigEndian.AppendUint32(key.ID, uint32(len(p.keys)+1))
	p.keys = append(p.keys, key)
	return key
}

// shareKeys sends a device the app state keys for which wanted returns true.
func (p *phoneSync) shareKeys(dev *accounts.Device, wanted func(syncd.Key) bool) error {
	p.mu.Lock()
	var keys []*waE2E.AppStateSyncKey
	for _, key := range p.keys {
		if !wanted(key) {
			continue
		}
		keys = append(keys, &waE2E.AppStateSyncKey{
			KeyID: &waE2E.AppStateSyncKeyId{KeyID: key.ID},
			KeyData: &waE2E.AppStateSyncKeyData{
				KeyData: key.Data, Timestamp: proto.Int64(key.Time),
				Fingerprint: &waE2E.AppStateSyncKeyFingerprint{RawID: &p.Account.RawID, CurrentIndex: &dev.KeyIndex, DeviceIndexes: []uint32{0, dev.KeyIndex}},
			},
		})
	}
	p.mu.Unlock()
	_, err := p.sender.sendPeer(dev, &waE2E.ProtocolMessage{
		Type:                 waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum(),
		AppStateSyncKeyShare: &waE2E.AppStateSyncKeyShare{Keys: keys},
	})
	return err
}

// renewKey makes a new key after a device was unlinked, and shares it with the other devices. The unlinked device must
// not be able to read later changes.
func (p *phoneSync) renewKey() {
	p.mu.Lock()
	if len(p.keys) == 0 || len(p.keys) >= maxSyncKeys {
		p.mu.Unlock()
		return
	}
	newest := p.newKey()
	p.mu.Unlock()
	for _, dev := range p.Net.Dir.DevicesOf(p.Account) {
		if !dev.Greeted.Load() {
			continue
		}
		if _, withheld := p.Net.Faults.Strike(faults.WithholdSyncKeys, dev); withheld {
			continue
		}
		if err := p.shareKeys(dev, func(k syncd.Key) bool { return string(k.ID) == string(newest.ID) }); err != nil {
			p.Net.Log.Warn("phone could not share its new app state key", "err", err)
		}
	}
}
