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

// ExpireMedia removes a file, as WhatsApp does after some weeks. Downloads are then answered with code: 404, 410
// or 403. Phones still have the file, and upload it again for a device that asks.
func (s *Server) ExpireMedia(id string, code int) error { return s.net.Media.Take(id, code, false) }

// LoseMedia removes a file as ExpireMedia does, and from the phones as well.
func (s *Server) LoseMedia(id string, code int) error { return s.net.Media.Take(id, code, true) }

// MediaHost is the host:port of uploads and downloads that clients are told; empty before Start. Clients put
// https:// before it. Without Config.TLS it speaks plain HTTP, and a client has to be led there.
func (s *Server) MediaHost() string {
	plain, secure := s.endpoint.addresses()
	return cmp.Or(secure, plain)
}

// queryMediaConn tells a device where to upload files, and the secret to do so.
func (s *Server) queryMediaConn(dev *accounts.Device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return []waBinary.Node{s.net.Media.ConnNode(dev.Account.Number)}, nil
}
