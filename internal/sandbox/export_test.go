package sandbox

import "go.mau.fi/whatsmeow/types"

// ForgetSession makes the phone lose its Signal session with a device.
func (p *Phone) ForgetSession(lid types.JID) { p.sig.DeleteSession(lid) }

// TakeBundle takes a one-time prekey of a phone's first linked device, as a sender does.
func (s *Server) TakeBundle(p *Phone) error {
	_, err := s.keys.bundleOf(p.Devices()[0].LID)
	return err
}

// SaveState writes what changed to disk now.
func (s *Server) SaveState() error { return s.disk.save() }

// CompactState writes everything to a new log.
func (s *Server) CompactState() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return s.disk.compact()
}

// StateFile is the name of the log in a state folder.
const StateFile = stateFile

// MakeGroup makes a group, the first phone being its creator.
func (s *Server) MakeGroup(subject string, phones ...*Phone) types.JID {
	g := &group{addressing: AddressingLID, creator: phones[0].account, subject: wording{text: subject, by: phones[0].account}}
	for _, p := range phones {
		g.members = append(g.members, member{account: p.account, role: RoleAdmin})
	}
	s.groups.add(g)
	phones[0].account.changed.Store(true)
	return g.jid
}

// LinkLight links a device with a Noise key and a stock of 812 prekeys, without a pairing.
func (p *Phone) LinkLight(noise [32]byte) (uint16, error) {
	id, keyIndex, ok := p.net.dir.reserve(p.account)
	if !ok {
		return 0, ErrTooManyDevices
	}
	dev := &device{account: p.account, id: id, keyIndex: keyIndex, noise: noise, preKeys: make([]oneTimeKey, 812)}
	// Its phone takes it for one that it has known for long.
	dev.greeted.Store(true)
	p.net.dir.link(dev)
	return id, nil
}
