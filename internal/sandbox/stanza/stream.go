package stanza

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
)

// The conflicts that a stream error may name.
const (
	ConflictReplaced      = "replaced"
	ConflictDeviceRemoved = "device_removed"
)

// StreamError returns the stanza that ends a live connection. Code 0 leaves the code out.
func StreamError(code int, conflict string) waBinary.Node {
	node := waBinary.Node{Tag: "stream:error", Attrs: waBinary.Attrs{}}
	if code != 0 {
		node.Attrs["code"] = strconv.Itoa(code)
	}
	if conflict != "" {
		node.Content = []waBinary.Node{{Tag: "conflict", Attrs: waBinary.Attrs{"type": conflict}}}
	}
	return node
}
