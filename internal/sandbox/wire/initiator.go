package wire

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/libsignal/ecc"
	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/binary/token"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/proto/waWa6"
)

// Initiator is the client's side of a handshake. Tests use it to send a server what no real client sends, and to
// simulate many clients at little cost.
type Initiator struct {
	h      Handshake
	static *ecdh.PrivateKey
}

// Header returns the connection header of a client, which is the prologue of its handshake.
func Header() []byte { return []byte{'W', 'A', 6, token.DictVersion} }

// Initiate starts a handshake as the client with the Noise key static, and returns the first frame to send.
func Initiate(prologue []byte, static *ecdh.PrivateKey) (*Initiator, []byte, error) {
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating an ephemeral key: %w", err)
	}
	i := &Initiator{h: Handshake{chain: []byte(noisePattern), ephemeral: ephemeral}, static: static}
	copy(i.h.hash[:], noisePattern)
	i.h.mixHash(prologue)
	i.h.mixHash(ephemeral.PublicKey().Bytes())
	hello, err := proto.Marshal(&waWa6.HandshakeMessage{ClientHello: &waWa6.HandshakeMessage_ClientHello{
		Ephemeral: ephemeral.PublicKey().Bytes(),
	}})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the client hello: %w", err)
	}
	return i, hello, nil
}

// Finish reads the server's answer, checks its certificate against root and returns the client's second frame.
func (i *Initiator) Finish(serverHello []byte, root [keySize]byte, payload *waWa6.ClientPayload) ([]byte, *Ciphers, error) {
	var message waWa6.HandshakeMessage
	if err := proto.Unmarshal(serverHello, &message); err != nil {
		return nil, nil, fmt.Errorf("%w: server hello: %w", ErrHandshake, err)
	}
	hello := message.GetServerHello()
	ephemeral, err := ecdh.X25519().NewPublicKey(hello.GetEphemeral())
	if err != nil {
		return nil, nil, fmt.Errorf("%w: server ephemeral key: %w", ErrHandshake, err)
	}
	i.h.mixHash(ephemeral.Bytes())
	if err = i.h.mixShared(i.h.ephemeral, ephemeral); err != nil {
		return nil, nil, err
	}
	rawStatic, err := i.h.open(hello.GetStatic())
	if err != nil {
		return nil, nil, fmt.Errorf("%w: server static key: %w", ErrHandshake, err)
	}
	static, err := ecdh.X25519().NewPublicKey(rawStatic)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: server static key: %w", ErrHandshake, err)
	}
	if err = i.h.mixShared(i.h.ephemeral, static); err != nil {
		return nil, nil, err
	}
	chain, err := i.h.open(hello.GetPayload())
	if err != nil {
		return nil, nil, fmt.Errorf("%w: certificate: %w", ErrHandshake, err)
	}
	if err = VerifyChain(chain, root, rawStatic, time.Now()); err != nil {
		return nil, nil, err
	}
	return i.answer(ephemeral, payload)
}

func (i *Initiator) answer(ephemeral *ecdh.PublicKey, payload *waWa6.ClientPayload) ([]byte, *Ciphers, error) {
	sealedStatic := i.h.seal(i.static.PublicKey().Bytes())
	if err := i.h.mixShared(i.static, ephemeral); err != nil {
		return nil, nil, err
	}
	rawPayload, err := proto.Marshal(payload)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the client payload: %w", err)
	}
	finish, err := proto.Marshal(&waWa6.HandshakeMessage{ClientFinish: &waWa6.HandshakeMessage_ClientFinish{
		Static:  sealedStatic,
		Payload: i.h.seal(rawPayload),
	}})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the client finish: %w", err)
	}
	toServer, fromServer, err := expand(i.h.chain, nil)
	if err != nil {
		return nil, nil, err
	}
	ciphers, err := newCiphers(fromServer, toServer)
	if err != nil {
		return nil, nil, err
	}
	return finish, ciphers, nil
}

// ErrCertificate means that a certificate chain is not valid for a server.
var ErrCertificate = errors.New("certificate is not valid")

// VerifyChain checks a certificate chain as clients do (whatsmeow verifyServerCert).
func VerifyChain(encoded []byte, root [keySize]byte, serverKey []byte, now time.Time) error {
	var chain waCert.CertChain
	if err := proto.Unmarshal(encoded, &chain); err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	intermediate, err := verifyCertificate(chain.GetIntermediate(), root, now)
	if err != nil {
		return fmt.Errorf("intermediate: %w", err)
	}
	if intermediate.GetIssuerSerial() != rootSerial || len(intermediate.GetKey()) != keySize {
		return fmt.Errorf("%w: intermediate is not issued by the root", ErrCertificate)
	}
	leaf, err := verifyCertificate(chain.GetLeaf(), [keySize]byte(intermediate.GetKey()), now)
	if err != nil {
		return fmt.Errorf("leaf: %w", err)
	}
	if leaf.GetIssuerSerial() != intermediate.GetSerial() || string(leaf.GetKey()) != string(serverKey) {
		return fmt.Errorf("%w: leaf is not for this server", ErrCertificate)
	}
	return nil
}

func verifyCertificate(cert *waCert.CertChain_NoiseCertificate, issuer [keySize]byte, now time.Time) (*waCert.CertChain_NoiseCertificate_Details, error) {
	if len(cert.GetSignature()) != 64 {
		return nil, fmt.Errorf("%w: no signature", ErrCertificate)
	}
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey(issuer), cert.GetDetails(), [64]byte(cert.GetSignature())) {
		return nil, fmt.Errorf("%w: signature does not match", ErrCertificate)
	}
	var details waCert.CertChain_NoiseCertificate_Details
	if err := proto.Unmarshal(cert.GetDetails(), &details); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	at := uint64(max(now.Unix(), 0))
	if at < details.GetNotBefore() || at > details.GetNotAfter() {
		return nil, fmt.Errorf("%w: not valid at this time", ErrCertificate)
	}
	return &details, nil
}
