package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waWa6"
)

// noisePattern is Noise_XX_25519_AESGCM_SHA256 padded to 32 bytes, so that Noise uses it unhashed as the
// first handshake hash and chaining key (whatsmeow socket.NoiseStartPattern).
const noisePattern = "Noise_XX_25519_AESGCM_SHA256\x00\x00\x00\x00"

const keySize = 32

// ErrHandshake is wrapped by every handshake error that the other side caused.
var ErrHandshake = errors.New("noise handshake failed")

// Handshake is the responder's side of one Noise XX handshake. It is not safe for concurrent use.
type Handshake struct {
	hash      [sha256.Size]byte
	chain     []byte
	aead      cipher.AEAD
	counter   uint32
	ephemeral *ecdh.PrivateKey
}

// Established is the result of a handshake.
type Established struct {
	// ClientStatic is the client's Noise key, proven by the handshake. It identifies a device.
	ClientStatic [keySize]byte
	// Payload says whether the client registers or logs in, and as whom.
	Payload *waWa6.ClientPayload
	// Ciphers protect the frames that follow.
	Ciphers *Ciphers
}

// Respond reads a client's first frame and returns the frame to answer with. static is the server's Noise key.
// certificate is the encoded certificate chain for that key.
func Respond(prologue []byte, static *ecdh.PrivateKey, certificate, clientHello []byte) (*Handshake, []byte, error) {
	var hello waWa6.HandshakeMessage
	if err := proto.Unmarshal(clientHello, &hello); err != nil {
		return nil, nil, fmt.Errorf("%w: client hello is not a handshake message: %w", ErrHandshake, err)
	}
	clientEphemeral, err := ecdh.X25519().NewPublicKey(hello.GetClientHello().GetEphemeral())
	if err != nil {
		return nil, nil, fmt.Errorf("%w: client hello ephemeral key: %w", ErrHandshake, err)
	}
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating an ephemeral key: %w", err)
	}
	h := &Handshake{chain: []byte(noisePattern), ephemeral: ephemeral}
	copy(h.hash[:], noisePattern)
	h.mixHash(prologue)
	h.mixHash(clientEphemeral.Bytes())
	h.mixHash(ephemeral.PublicKey().Bytes())
	if err = h.mixShared(ephemeral, clientEphemeral); err != nil {
		return nil, nil, err
	}
	sealedStatic := h.seal(static.PublicKey().Bytes())
	if err = h.mixShared(static, clientEphemeral); err != nil {
		return nil, nil, err
	}
	answer, err := proto.Marshal(&waWa6.HandshakeMessage{ServerHello: &waWa6.HandshakeMessage_ServerHello{
		Ephemeral: ephemeral.PublicKey().Bytes(),
		Static:    sealedStatic,
		Payload:   h.seal(certificate),
	}})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the server hello: %w", err)
	}
	return h, answer, nil
}

// Finish reads the client's second frame and completes the handshake.
func (h *Handshake) Finish(clientFinish []byte) (Established, error) {
	var message waWa6.HandshakeMessage
	if err := proto.Unmarshal(clientFinish, &message); err != nil {
		return Established{}, fmt.Errorf("%w: client finish is not a handshake message: %w", ErrHandshake, err)
	}
	finish := message.GetClientFinish()
	rawStatic, err := h.open(finish.GetStatic())
	if err != nil {
		return Established{}, fmt.Errorf("%w: client static key: %w", ErrHandshake, err)
	}
	clientStatic, err := ecdh.X25519().NewPublicKey(rawStatic)
	if err != nil {
		return Established{}, fmt.Errorf("%w: client static key: %w", ErrHandshake, err)
	}
	if err = h.mixShared(h.ephemeral, clientStatic); err != nil {
		return Established{}, err
	}
	rawPayload, err := h.open(finish.GetPayload())
	if err != nil {
		return Established{}, fmt.Errorf("%w: client payload: %w", ErrHandshake, err)
	}
	payload := new(waWa6.ClientPayload)
	if err = proto.Unmarshal(rawPayload, payload); err != nil {
		return Established{}, fmt.Errorf("%w: client payload: %w", ErrHandshake, err)
	}
	fromClient, toClient, err := expand(h.chain, nil)
	if err != nil {
		return Established{}, err
	}
	ciphers, err := newCiphers(fromClient, toClient)
	if err != nil {
		return Established{}, err
	}
	return Established{ClientStatic: [keySize]byte(rawStatic), Payload: payload, Ciphers: ciphers}, nil
}

func (h *Handshake) mixHash(data []byte) {
	sum := sha256.New()
	sum.Write(h.hash[:])
	sum.Write(data)
	sum.Sum(h.hash[:0])
}

func (h *Handshake) mixShared(private *ecdh.PrivateKey, public *ecdh.PublicKey) error {
	shared, err := private.ECDH(public)
	if err != nil {
		return fmt.Errorf("%w: key agreement: %w", ErrHandshake, err)
	}
	chain, key, err := expand(h.chain, shared)
	if err != nil {
		return err
	}
	h.chain = chain
	h.aead, err = newAEAD(key)
	// The nonce counter belongs to the key: a new key starts at zero.
	h.counter = 0
	return err
}

func (h *Handshake) seal(plaintext []byte) []byte {
	sealed := h.aead.Seal(nil, nonce(h.counter), plaintext, h.hash[:])
	h.counter++
	h.mixHash(sealed)
	return sealed
}

func (h *Handshake) open(sealed []byte) ([]byte, error) {
	plaintext, err := h.aead.Open(nil, nonce(h.counter), sealed, h.hash[:])
	if err != nil {
		return nil, err
	}
	h.counter++
	h.mixHash(sealed)
	return plaintext, nil
}

// Ciphers encrypt and decrypt the frames of an established connection. Open and AppendSealed may each be used by one
// goroutine, at the same time. The order of calls is the order of frames on the wire.
type Ciphers struct {
	read, write               cipher.AEAD
	readCounter, writeCounter uint32
}

func newCiphers(readKey, writeKey []byte) (*Ciphers, error) {
	read, err := newAEAD(readKey)
	if err != nil {
		return nil, err
	}
	write, err := newAEAD(writeKey)
	if err != nil {
		return nil, err
	}
	return &Ciphers{read: read, write: write}, nil
}

// Open decrypts the next frame of the client in place.
func (c *Ciphers) Open(frame []byte) ([]byte, error) {
	if c.readCounter == math.MaxUint32 {
		return nil, errors.New("the read key is used up")
	}
	plaintext, err := c.read.Open(frame[:0], nonce(c.readCounter), frame, nil)
	c.readCounter++
	if err != nil {
		return nil, fmt.Errorf("decrypting a frame: %w", err)
	}
	return plaintext, nil
}

// AppendSealed encrypts plaintext as the next frame to the client and appends it, with its length, to dst.
func (c *Ciphers) AppendSealed(dst, plaintext []byte) ([]byte, error) {
	if c.writeCounter == math.MaxUint32 {
		return dst, errors.New("the write key is used up")
	}
	size := len(plaintext) + c.write.Overhead()
	if size >= 1<<24 {
		return dst, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, size, 1<<24-1)
	}
	dst = append(dst, byte(size>>16), byte(size>>8), byte(size))
	dst = c.write.Seal(dst, nonce(c.writeCounter), plaintext, nil)
	c.writeCounter++
	return dst, nil
}

func nonce(counter uint32) []byte {
	iv := make([]byte, 12)
	binary.BigEndian.PutUint32(iv[8:], counter)
	return iv
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("preparing a cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// expand derives two keys from a chaining key and new secret material (HKDF-SHA256, as Noise defines).
func expand(chain, secret []byte) (first, second []byte, err error) {
	both, err := hkdf.Key(sha256.New, secret, chain, "", 2*keySize)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving keys: %w", err)
	}
	return both[:keySize], both[keySize:], nil
}
