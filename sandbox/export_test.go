package sandbox

import "go.mau.fi/whatsmeow/types"

// ForgetSession makes the phone lose its Signal session with a device.
func (p *Phone) ForgetSession(lid types.JID) { p.sig.DeleteSession(lid) }

// TakeBundle takes a one-time prekey of a phone's first linked device, as a sender does.
func (s *Server) TakeBundle(p *Phone) error {
	_, err := s.bundleOf(p.Devices()[0].LID)
	return err
}
