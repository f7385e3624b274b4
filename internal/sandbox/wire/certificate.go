package wire

import (
	"crypto/sha256"
	"fmt"
	"time"

	"go.mau.fi/libsignal/ecc"
	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/util/keys"
)

const (
	// rootSerial is the issuer serial that clients require in the intermediate certificate
	// (whatsmeow.WACertIssuerSerial).
	rootSerial         = 0
	intermediateSerial = 1
	leafSerial         = 2

	// Clients compare a certificate's validity with their own clock, which may be slightly wrong.
	validBefore = 24 * time.Hour
	validAfter  = 10 * 365 * 24 * time.Hour
)

// Root is the key that signs the certificate chains of servers. It is safe for concurrent use.
type Root struct {
	root, intermediate *keys.KeyPair
}

// NewRoot derives a root from a secret: the same seed gives the same public key.
func NewRoot(seed [32]byte) *Root {
	return &Root{root: deriveKey(seed, "root"), intermediate: deriveKey(seed, "intermediate")}
}

func deriveKey(seed [32]byte, name string) *keys.KeyPair {
	private := sha256.Sum256(append([]byte("wasup sandbox certificate "+name+"\x00"), seed[:]...))
	// XEdDSA needs a scalar clamped as X25519 does it.
	private[0] &= 248
	private[31] = private[31]&127 | 64
	return keys.NewKeyPairFromPrivateKey(private)
}

// PublicKey returns the key that clients have to trust.
func (r *Root) PublicKey() [32]byte { return *r.root.Pub }

// Chain returns the encoded certificate chain for a server's Noise key, valid around now.
func (r *Root) Chain(serverKey []byte, now time.Time) ([]byte, error) {
	return r.chain(serverKey, now.Add(-validBefore), now.Add(validAfter))
}

// ExpiredChain returns a chain that is valid except for its time: it expired a year ago.
func (r *Root) ExpiredChain(serverKey []byte, now time.Time) ([]byte, error) {
	return r.chain(serverKey, now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0))
}

func (r *Root) chain(serverKey []byte, from, to time.Time) ([]byte, error) {
	intermediate, err := certificate(r.root, intermediateSerial, rootSerial, r.intermediate.Pub[:], from, to)
	if err != nil {
		return nil, err
	}
	leaf, err := certificate(r.intermediate, leafSerial, intermediateSerial, serverKey, from, to)
	if err != nil {
		return nil, err
	}
	chain, err := proto.Marshal(&waCert.CertChain{Intermediate: intermediate, Leaf: leaf})
	if err != nil {
		return nil, fmt.Errorf("encoding the certificate chain: %w", err)
	}
	return chain, nil
}

func certificate(issuer *keys.KeyPair, serial, issuerSerial uint32, key []byte, from, to time.Time) (*waCert.CertChain_NoiseCertificate, error) {
	details, err := proto.Marshal(&waCert.CertChain_NoiseCertificate_Details{
		Serial:       proto.Uint32(serial),
		IssuerSerial: proto.Uint32(issuerSerial),
		Key:          key,
		NotBefore:    proto.Uint64(uint64(from.Unix())),
		NotAfter:     proto.Uint64(uint64(to.Unix())),
	})
	if err != nil {
		return nil, fmt.Errorf("encoding a certificate: %w", err)
	}
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*issuer.Priv), details)
	return &waCert.CertChain_NoiseCertificate{Details: details, Signature: signature[:]}, nil
}
