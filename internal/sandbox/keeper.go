package sandbox

import (
	"time"

	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/phones"
)

// What is on disk, by the beginning of its name. Names go by hidden ids, which belong to one account for ever.
const (
	keyServer = "x/" // x/media
)

// keeper turns what the server knows into records, and records into what it knows.
type keeper struct {
	*network.Network

	phones  *phoneBook
	pairing *pairing
}

// openDisk takes a folder and reads what is there.
func openDisk(path string, s *Server) (*disk.Log, error) {
	k := &keeper{Network: s.net, phones: s.phones, pairing: s.pairing}
	return disk.Open(path, s.net.Log, k.collect, func(records []disk.Record) error {
		// Before the profiles, which name pictures.
		if err := k.Media.OpenFolder(path, time.Now()); err != nil {
			return err
		}
		if err := k.restore(records); err != nil {
			return err
		}
		// Profiles have said what they show; limits may be other ones now.
		k.Media.Tidy(time.Now())
		return nil
	})
}

// collect tells what changed.
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
	return k.Groups.Collect(all, emit)
}
