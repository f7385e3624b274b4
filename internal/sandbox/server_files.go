package sandbox

import (
	"cmp"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/stanza"
)

// Media lists the uploaded files, oldest first.
func (s *Server) Media() []media.File { return s.net.Media.List() }

// ExpireMedia removes a file, as WhatsApp does after some weeks. Later downloads are answered with code: 403, 404 or
// 410. Phones keep their copy and upload it again for a device that asks.
func (s *Server) ExpireMedia(id string, code int) error { return s.net.Media.Take(id, code, false) }

// LoseMedia removes a file as ExpireMedia does, and the copies of the phones as well.
func (s *Server) LoseMedia(id string, code int) error { return s.net.Media.Take(id, code, true) }

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
