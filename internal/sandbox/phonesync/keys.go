package phonesync

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
func (s *Sync) lookup(id []byte) (syncd.Key, bool) {
	i := slices.IndexFunc(s.keys, func(k syncd.Key) bool { return string(k.ID) == string(id) })
	if i < 0 {
		return syncd.Key{}, false
	}
	return s.keys[i], true
}

// newKey makes a key, which is used from now on. The caller holds the lock.
func (s *Sync) newKey() syncd.Key {
	key := syncd.Key{ID: make([]byte, 2, 6), Data: make([]byte, syncKeySize), Time: time.Now().UnixMilli()}
	_, _ = rand.Read(key.Data)
	// The id is the device that made the key (0, the phone), and the number of the key.
	key.ID = binary.BigEndian.AppendUint32(key.ID, uint32(len(s.keys)+1))
	s.keys = append(s.keys, key)
	return key
}

// ShareKeys sends a device the app state keys for which wanted returns true.
func (s *Sync) ShareKeys(dev *accounts.Device, wanted func(syncd.Key) bool) error {
	s.mu.Lock()
	var keys []*waE2E.AppStateSyncKey
	for _, key := range s.keys {
		if !wanted(key) {
			continue
		}
		keys = append(keys, &waE2E.AppStateSyncKey{
			KeyID: &waE2E.AppStateSyncKeyId{KeyID: key.ID},
			KeyData: &waE2E.AppStateSyncKeyData{
				KeyData: key.Data, Timestamp: proto.Int64(key.Time),
				Fingerprint: &waE2E.AppStateSyncKeyFingerprint{RawID: &s.account.RawID, CurrentIndex: &dev.KeyIndex, DeviceIndexes: []uint32{0, dev.KeyIndex}},
			},
		})
	}
	s.mu.Unlock()
	_, err := s.owner.SendPeer(dev, &waE2E.ProtocolMessage{
		Type:                 waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum(),
		AppStateSyncKeyShare: &waE2E.AppStateSyncKeyShare{Keys: keys},
	})
	return err
}

// RenewKey makes a new key after a device was unlinked, and shares it with the other devices. The unlinked device must
// not be able to read later changes.
func (s *Sync) RenewKey() {
	s.mu.Lock()
	if len(s.keys) == 0 || len(s.keys) >= maxSyncKeys {
		s.mu.Unlock()
		return
	}
	newest := s.newKey()
	s.mu.Unlock()
	for _, dev := range s.net.Dir.DevicesOf(s.account) {
		if !dev.Greeted.Load() {
			continue
		}
		if _, withheld := s.net.Faults.Strike(faults.WithholdSyncKeys, dev); withheld {
			continue
		}
		if err := s.ShareKeys(dev, func(k syncd.Key) bool { return string(k.ID) == string(newest.ID) }); err != nil {
			s.net.Log.Warn("phone could not share its new app state key", "err", err)
		}
	}
}
