package sandbox

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/wire"
)

// Authority is the root that signs the certificates of servers. Clients trust its public key. Servers of one process
// share an Authority, because whatsmeow has one root key per process.
type Authority struct {
	root *wire.Root
}

// NewAuthority returns an authority with a random key.
func NewAuthority() (*Authority, error) {
	var seed [32]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("sandbox: create a root key: %w", err)
	}
	return NewAuthorityFromSeed(seed), nil
}

// NewAuthorityFromSeed returns the authority with the root key that follows from seed, so that the key survives a
// restart. Anyone who knows the seed can sign certificates.
func NewAuthorityFromSeed(seed [32]byte) *Authority {
	return &Authority{root: wire.NewRoot(seed)}
}

// RootPublicKey returns the key that clients must trust, for whatsmeow.WACertPubKey.
func (a *Authority) RootPublicKey() [32]byte { return a.root.PublicKey() }

// credentials are the keys and certificates that the server presents to clients.
type credentials struct {
	authority   *Authority
	static      *ecdh.PrivateKey
	certificate []byte
	transport   *transport // nil without Config.TLS
	faults      *faults.Set
}

func newCredentials(cfg Config) (*credentials, error) {
	static, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sandbox: create the server key: %w", err)
	}
	certificate, err := cfg.Authority.root.Chain(static.PublicKey().Bytes(), time.Now())
	if err != nil {
		return nil, fmt.Errorf("sandbox: create the server certificate: %w", err)
	}
	k := &credentials{authority: cfg.Authority, static: static, certificate: certificate}
	if cfg.TLS {
		if k.transport, err = newTransport(cfg.TLSListen); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// certificateFor returns the certificate chain for a connecting client, a wrong one if a fault says so.
func (k *credentials) certificateFor() ([]byte, error) {
	fault, ok := k.faults.Strike(faults.BadCertificate, nil)
	if !ok {
		return k.certificate, nil
	}
	key := k.static.PublicKey().Bytes()
	switch fault.Variant {
	case faults.VariantExpired:
		return k.authority.root.ExpiredChain(key, time.Now())
	case faults.VariantWrongKey:
		key[0] ^= 1
		return k.authority.root.Chain(key, time.Now())
	default:
		stranger, err := NewAuthority()
		if err != nil {
			return nil, err
		}
		return stranger.root.Chain(key, time.Now())
	}
}
