package sandbox

import (
	"crypto/rand"
	"fmt"
	"time"

	"wasup/internal/sandbox/wire"
)

// Authority is the certificate root that servers sign with. Clients trust its public key. Servers of one
// process share an Authority, because whatsmeow knows one root key a process.
type Authority struct {
	root *wire.Root
}

// NewAuthority makes an authority with a random key.
func NewAuthority() (*Authority, error) {
	var seed [32]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("sandbox: making a root key: %w", err)
	}
	return NewAuthorityFromSeed(seed), nil
}

// NewAuthorityFromSeed makes the authority that belongs to seed: the same root key after a restart. Who knows
// the seed can sign certificates.
func NewAuthorityFromSeed(seed [32]byte) *Authority {
	return &Authority{root: wire.NewRoot(seed)}
}

// RootPublicKey is the key that clients have to trust, for whatsmeow.WACertPubKey.
func (a *Authority) RootPublicKey() [32]byte { return a.root.PublicKey() }

// certificateFor is the chain to show to a connecting client.
func (s *Server) certificateFor() ([]byte, error) {
	fault, ok := s.fault(FaultBadCertificate, nil)
	if !ok {
		return s.certificate, nil
	}
	key := s.static.PublicKey().Bytes()
	switch fault.Variant {
	case VariantExpired:
		return s.cfg.Authority.root.ExpiredChain(key, time.Now())
	case VariantWrongKey:
		key[0] ^= 1
		return s.cfg.Authority.root.Chain(key, time.Now())
	default:
		stranger, err := NewAuthority()
		if err != nil {
			return nil, err
		}
		return stranger.root.Chain(key, time.Now())
	}
}
