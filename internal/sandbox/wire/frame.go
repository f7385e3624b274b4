// Package wire owns the bytes between a WhatsApp-Web client and the sandbox: the connection header, the
// frames, the Noise handshake with its certificates, and the decoding of nodes from untrusted input.
//
// It knows nothing of accounts, pairing or messages, opens no sockets and starts no goroutines.
package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.mau.fi/whatsmeow/binary/token"
)

// Limits, in bytes, on what a client may announce.
const (
	// MaxHandshakeFrame bounds a frame before the client is known. A real ClientHello has about 40 bytes
	// and a ClientFinish under 1 kB.
	MaxHandshakeFrame = 16 << 10
	// MaxFrame bounds a frame of a session. The largest that clients send in practice is the upload of 812 one-time
	// prekeys, with about 40 kB.
	MaxFrame = 2 << 20

	frameLength = 3
	readChunk   = 32 << 10
)

// Errors of reading the byte stream of a connection.
var (
	ErrBadHeader     = errors.New("connection header is not WhatsApp's")
	ErrFrameTooLarge = errors.New("frame larger than allowed")
	ErrEmptyFrame    = errors.New("frame without content")
)

// edgeHeader begins the optional routing block that some clients, such as Baileys, send before the connection header:
// 'E' 'D' 0 1, a length of three bytes and that many bytes of routing data.
var edgeHeader = []byte{'E', 'D', 0, 1}

// Reader turns a sequence of WebSocket messages into one byte stream and reads frames from it. Frames and
// messages are independent: a frame may span messages and a message may hold many frames.
// It must not be used from several goroutines at a time.
type Reader struct {
	next    func() (io.Reader, error)
	current io.Reader
	length  [frameLength]byte
}

// NewReader returns a reader of the messages that next returns one after another.
func NewReader(next func() (io.Reader, error)) *Reader {
	return &Reader{next: next}
}

// Read implements io.Reader over the messages.
func (r *Reader) Read(p []byte) (int, error) {
	for {
		if r.current == nil {
			message, err := r.next()
			if err != nil {
				return 0, err
			}
			r.current = message
		}
		n, err := r.current.Read(p)
		if errors.Is(err, io.EOF) {
			r.current = nil
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Prologue reads the connection header, which a client sends once: "WA", 6 and the version of its token dictionary. It
// returns these four bytes, which are the prologue of the Noise handshake. A routing block before the header is
// skipped.
func (r *Reader) Prologue() ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, fmt.Errorf("reading the connection header: %w", err)
	}
	if bytes.Equal(header, edgeHeader) {
		if _, err := r.Frame(MaxHandshakeFrame); err != nil {
			return nil, fmt.Errorf("reading the routing block: %w", err)
		}
		if _, err := io.ReadFull(r, header); err != nil {
			return nil, fmt.Errorf("reading the connection header: %w", err)
		}
	}
	want := []byte{'W', 'A', 6, token.DictVersion}
	if !bytes.Equal(header, want) {
		return nil, fmt.Errorf("%w: got % x, expected % x", ErrBadHeader, header, want)
	}
	return header, nil
}

// Frame reads one frame of at most limit bytes and returns its payload, which the caller owns.
func (r *Reader) Frame(limit int) ([]byte, error) {
	if _, err := io.ReadFull(r, r.length[:]); err != nil {
		return nil, err
	}
	size := int(r.length[0])<<16 | int(r.length[1])<<8 | int(r.length[2])
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, size, limit)
	}
	if size == 0 {
		return nil, ErrEmptyFrame
	}
	// The buffer grows with the bytes that arrive, so an announced length alone costs no memory.
	payload := make([]byte, 0, min(size, readChunk))
	for len(payload) < size {
		chunk := min(size-len(payload), readChunk)
		payload = slices.Grow(payload, chunk)
		n, err := io.ReadFull(r, payload[len(payload):len(payload)+chunk])
		payload = payload[:len(payload)+n]
		if err != nil {
			return nil, fmt.Errorf("reading a frame of %d bytes: %w", size, err)
		}
	}
	return payload, nil
}

// AppendFrame appends payload as one frame to dst.
func AppendFrame(dst, payload []byte) ([]byte, error) {
	size := len(payload)
	if size >= 1<<24 {
		return dst, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, size, 1<<24-1)
	}
	dst = append(dst, byte(size>>16), byte(size>>8), byte(size))
	return append(dst, payload...), nil
}
