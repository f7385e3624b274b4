package sandbox

import (
	"cmp"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/stanza"
)

// Media returns the uploaded files. Take removes one, as WhatsApp does after some weeks.
func (s *Server) Media() *media.Store { return s.net.Media }

// MediaHost returns the host:port for uploads and downloads that the server announces to clients. It is empty before
// Start. Clients add https://, but without Config.TLS the server speaks plain HTTP, so the client must be redirected.
func (s *Server) MediaHost() string {
	plain, secure := s.endpoint.addresses()
	return cmp.Or(secure, plain)
}

// queryMediaConn answers with the host and the secret for uploads.
func (s *Server) queryMediaConn(dev *accounts.Device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return []waBinary.Node{s.net.Media.ConnNode(dev.Account.Number)}, nil
}
