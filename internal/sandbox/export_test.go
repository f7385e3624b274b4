package sandbox

import (
	"context"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/phones"
)

// ForgetSession deletes the phone's Signal session with a device.
func (p *Phone) ForgetSession(lid types.JID) { p.Sig.DeleteSession(lid) }

// TakeBundle takes a one-time prekey of a phone's first linked device, as a sender does.
func (s *Server) TakeBundle(p *Phone) error {
	_, err := s.net.Keys.BundleOf(p.Devices()[0].LID)
	return err
}

// SaveState saves the changes to disk now.
func (s *Server) SaveState() error { return s.disk.Save() }

// CompactState writes the whole state to a new log.
func (s *Server) CompactState() error {
	return s.disk.Compact()
}

// StateFile is the file name of the log in a state folder.
const StateFile = disk.File

// MakeGroup creates a group in which all phones are admins. The first is its creator.
func (s *Server) MakeGroup(subject string, members ...*Phone) types.JID {
	ctx := context.Background()
	var others []string
	for _, p := range members[1:] {
		others = append(others, p.Number())
	}
	jid, err := members[0].CreateGroup(ctx, phones.NewGroup{Subject: subject, Members: others})
	if err == nil && len(others) > 0 {
		err = members[0].ChangeMembers(ctx, jid, phones.PromoteMembers, others...)
	}
	if err != nil {
		panic(err)
	}
	return jid
}

// LinkLight links a device with a Noise key and 812 prekeys, without a pairing.
func (p *Phone) LinkLight(noise [32]byte) (uint16, error) {
	id, keyIndex, ok := p.Net.Dir.Reserve(p.Account)
	if !ok {
		return 0, ErrTooManyDevices
	}
	dev := &accounts.Device{Registration: accounts.Registration{Noise: noise}, Account: p.Account, ID: id, KeyIndex: keyIndex, PreKeys: make([]accounts.OneTimeKey, 812)}
	// Mark the device as greeted, so that the phone does not send it the history.
	dev.Greeted.Store(true)
	p.Net.Dir.Link(dev)
	return id, nil
}
