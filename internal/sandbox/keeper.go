package sandbox

import (
	"time"

	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/phones"
)

// Prefixes of record keys. Keys contain hidden ids (LIDs), because these never change their account.
const (
	keyServer = "x/" // x/media
)

// keeper saves the state of the server as records, and restores it from them.
type keeper struct {
	*network.Network

	phones  *phoneBook
	pairing *pairing
}

// openDisk opens the state folder and restores the saved state.
func openDisk(path string, s *Server) (*disk.Log, error) {
	k := &keeper{Network: s.net, phones: s.phones, pairing: s.pairing}
	return disk.Open(path, s.net.Log, k.collect, func(records []disk.Record) error {
		// Open the files first: profiles refer to pictures.
		if err := k.Media.OpenFolder(path, time.Now()); err != nil {
			return err
		}
		if err := k.restore(records); err != nil {
			return err
		}
		// Now the files in use are known. Apply the limits, which may have changed.
		k.Media.Tidy(time.Now())
		return nil
	})
}

// collect emits the records that have changed, or all of them.
func (k *keeper) collect(all bool, emit func(string, any) error) error {
	for _, lid := range k.Dir.TakeRemoved() {
		if err := emit(phones.KeyPhone+lid, nil); err != nil {
			return err
		}
	}
	if all {
		if err := emit(keyServer+"media", k.Media.SecretState()); err != nil {
			return err
		}
	}
	for _, phone := range k.phones.list() {
		if !phone.Account.Changed.Swap(false) && !all {
			continue
		}
		pairing, err := phone.state()
		if err == nil {
			err = phone.Collect(pairing, emit)
		}
		if err != nil {
			phone.Account.Changed.Store(true)
			return err
		}
	}
	if err := k.Channels.Collect(all, emit); err != nil {
		return err
	}
	if err := k.Groups.Lists.Collect(all, emit); err != nil {
		return err
	}
	return k.Groups.Collect(all, emit)
}
