package wire

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/binary/token"
	"go.mau.fi/whatsmeow/types"
)

// maxDepth bounds how deep nodes may nest. WhatsApp's own stay under ten.
const maxDepth = 32

const flagCompressed = 2

// ErrBadNode is wrapped by every error about a stanza that cannot be decoded.
var ErrBadNode = errors.New("malformed node")

// DecodeNode decodes the plaintext of one frame, flag byte included, from an untrusted client. Errors wrap ErrBadNode.
//
// whatsmeow's decoder is written for a server that it trusts: it allocates as many nodes as a list announces, recurses
// as deep as the input says and panics on some malformed values. So the structure is first walked within limits, and
// remaining panics become errors.
func DecodeNode(frame []byte) (node *waBinary.Node, err error) {
	data, err := unpack(frame)
	if err != nil {
		return nil, err
	}
	walk := walker{data: data}
	if err = walk.node(0); err != nil {
		return nil, err
	}
	defer func() {
		if cause := recover(); cause != nil {
			node, err = nil, fmt.Errorf("%w: %v", ErrBadNode, cause)
		}
	}()
	if node, err = waBinary.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadNode, err)
	}
	if err = checkAttrs(node); err != nil {
		return nil, err
	}
	return node, nil
}

func unpack(frame []byte) ([]byte, error) {
	if len(frame) == 0 {
		return nil, fmt.Errorf("%w: no flag byte", ErrBadNode)
	}
	if frame[0]&flagCompressed == 0 {
		return frame[1:], nil
	}
	inflate, err := zlib.NewReader(bytes.NewReader(frame[1:]))
	if err != nil {
		return nil, fmt.Errorf("%w: compressed content: %w", ErrBadNode, err)
	}
	data, err := io.ReadAll(io.LimitReader(inflate, MaxFrame+1))
	if err != nil {
		return nil, fmt.Errorf("%w: compressed content: %w", ErrBadNode, err)
	}
	if len(data) > MaxFrame {
		return nil, fmt.Errorf("%w: more than %d bytes when inflated", ErrBadNode, MaxFrame)
	}
	return data, nil
}

// checkAttrs makes sure that attributes hold only text and JIDs, because the server's own encoder can encode nothing
// else.
func checkAttrs(node *waBinary.Node) error {
	for name, value := range node.Attrs {
		switch value.(type) {
		case string, types.JID, nil:
		default:
			return fmt.Errorf("%w: attribute %q of <%s> is a %T", ErrBadNode, name, node.Tag, value)
		}
	}
	children, _ := node.Content.([]waBinary.Node)
	for i := range children {
		if err := checkAttrs(&children[i]); err != nil {
			return err
		}
	}
	return nil
}

// walker checks the structure of an encoded node without building it.
type walker struct {
	data []byte
}

func (w *walker) take(n int) ([]byte, error) {
	if n < 0 || n > len(w.data) {
		return nil, fmt.Errorf("%w: %d bytes announced, %d left", ErrBadNode, n, len(w.data))
	}
	taken := w.data[:n]
	w.data = w.data[n:]
	return taken, nil
}

// number reads a big-endian number of n bytes.
func (w *walker) number(n int) (int, error) {
	raw, err := w.take(n)
	if err != nil {
		return 0, err
	}
	value := 0
	for _, b := range raw {
		value = value<<8 | int(b)
	}
	return value, nil
}

func (w *walker) listSize(tag int) (int, error) {
	switch tag {
	case token.ListEmpty:
		return 0, nil
	case token.List8:
		return w.number(1)
	case token.List16:
		return w.number(2)
	default:
		return 0, fmt.Errorf("%w: %d is no list", ErrBadNode, tag)
	}
}

func (w *walker) node(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrBadNode, maxDepth)
	}
	tag, err := w.number(1)
	if err != nil {
		return err
	}
	size, err := w.listSize(tag)
	if err != nil {
		return err
	}
	if size == 0 {
		return fmt.Errorf("%w: a node without a tag", ErrBadNode)
	}
	for range size {
		if err = w.value(depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) value(depth int) error {
	tag, err := w.number(1)
	if err != nil {
		return err
	}
	switch tag {
	case token.List8, token.List16:
		return w.list(tag, depth+1)
	case token.Binary8:
		return w.skipCounted(1, 0xFF)
	case token.Binary20:
		return w.skipCounted(3, 0xFFFFF)
	case token.Binary32:
		return w.skipCounted(4, 0xFFFFFFFF)
	case token.Nibble8, token.Hex8:
		return w.skipCounted(1, 0x7F)
	case token.Dictionary0, token.Dictionary1, token.Dictionary2, token.Dictionary3:
		_, err = w.take(1)
		return err
	case token.JIDPair:
		return w.values(depth, 0, true, true)
	case token.ADJID:
		return w.values(depth, 2, false, true)
	case token.FBJID:
		if err = w.values(depth, 0, true, false); err != nil {
			return err
		}
		return w.values(depth, 2, false, true)
	case token.InteropJID:
		if err = w.values(depth, 0, true, false); err != nil {
			return err
		}
		return w.values(depth, 4, false, true)
	default:
		return nil
	}
}

// list walks a list of nodes. Every node takes at least two bytes. A list that announces more nodes than fit is
// refused, because it would only cost memory.
func (w *walker) list(tag, depth int) error {
	size, err := w.listSize(tag)
	if err != nil {
		return err
	}
	if size > len(w.data)/2 {
		return fmt.Errorf("%w: a list of %d nodes in %d bytes", ErrBadNode, size, len(w.data))
	}
	for range size {
		if err = w.node(depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) skipCounted(width, mask int) error {
	size, err := w.number(width)
	if err != nil {
		return err
	}
	_, err = w.take(size & mask)
	return err
}

// values skips the parts of a JID: a value if before is set, fixed bytes, and a value if after is set. The depth grows,
// so that JIDs within JIDs end as well.
func (w *walker) values(depth, fixed int, before, after bool) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrBadNode, maxDepth)
	}
	if before {
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	if _, err := w.take(fixed); err != nil {
		return err
	}
	if after {
		return w.value(depth + 1)
	}
	return nil
}
