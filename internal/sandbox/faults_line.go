package sandbox

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/stanza"
)

// Faults of a live connection.
const (
	// FaultDuplicateAck acknowledges a message twice.
	FaultDuplicateAck FaultKind = "duplicate_ack"
	// FaultDelayIQ, FaultWithholdIQ and FaultRefuseIQ are about the answer to a query. A query whose answer is
	// late or never comes has taken effect; a refused one, answered with error Code, has not. Match narrows
	// them to queries of a namespace ("encrypt") and, after a slash, of a first child ("encrypt/count").
	FaultDelayIQ    FaultKind = "delay_iq"
	FaultWithholdIQ FaultKind = "withhold_iq"
	FaultRefuseIQ   FaultKind = "refuse_iq"
	// FaultCloseAtOnce closes right after a final stanza (failure, stream error) instead of CloseDelay later, so
	// that a client may lose the stanza.
	FaultCloseAtOnce FaultKind = "close_at_once"
	// FaultHalfOpen leaves a connection half open when its client says something: see HalfOpen.
	FaultHalfOpen FaultKind = "half_open"
	// FaultMalformedFrame sends, in place of a stanza, what Variant says.
	FaultMalformedFrame FaultKind = "malformed_frame"
)

// The variants of FaultBadCertificate, the first being the default.
const (
	VariantWrongRoot = "wrong_root" // signed by another root
	VariantExpired   = "expired"    // valid until a year ago
	VariantWrongKey  = "wrong_key"  // for another server's key
)

// The variants of FaultUnavailable, the first being the default.
const (
	VariantUnsaid   = "unsaid"    // no reason is given
	VariantViewOnce = "view_once" // it may be looked at once, and only on the phone
)

// The variants of FaultMalformedFrame, the first being the default.
const (
	VariantGarbage  = "garbage"   // a frame that cannot be decrypted
	VariantNode     = "node"      // a frame whose content is no stanza
	VariantLength   = "length"    // a frame that announces more than it has: what follows is out of step
	VariantZlibBomb = "zlib_bomb" // a small frame that inflates to 64 MiB of zeros
	VariantStanza   = "stanza"    // a whole stanza without what every other of its kind has: a pairing without an id
	VariantTagless  = "tagless"   // a stanza without a name
)

func lineFaults() []FaultKind {
	return []FaultKind{
		FaultDuplicateAck, FaultDelayIQ, FaultWithholdIQ, FaultRefuseIQ, FaultCloseAtOnce, FaultHalfOpen, FaultMalformedFrame,
	}
}

func lineShape(kind FaultKind) (faultShape, bool) {
	switch kind {
	case FaultDelayIQ:
		return faultShape{delay: true, match: true, live: true}, true
	case FaultRefuseIQ:
		return faultShape{minCode: 400, maxCode: 599, match: true, live: true}, true
	case FaultWithholdIQ:
		return faultShape{match: true, live: true}, true
	case FaultMalformedFrame:
		return faultShape{variants: []string{VariantGarbage, VariantNode, VariantLength, VariantZlibBomb, VariantStanza, VariantTagless}, live: true}, true
	case FaultDuplicateAck, FaultCloseAtOnce, FaultHalfOpen:
		return faultShape{live: true}, true
	default:
		return faultShape{}, false
	}
}

const maxMatch = 100

// checkReach checks what narrows a fault beyond account and device, and its variant.
func (f *Fault) checkReach(shape faultShape) error {
	known := f.Variant == ""
	for _, variant := range shape.variants {
		known = known || variant == f.Variant
	}
	switch {
	case f.Conn != 0 && !shape.live:
		return &FaultError{"conn", fmt.Sprintf("%s does not strike a live connection", f.Kind)}
	case f.Probability < 0 || f.Probability > 1 || f.Probability != f.Probability:
		return &FaultError{"probability", "expected 0 (always) to 1"}
	case f.Seed != 0 && f.Probability == 0:
		return &FaultError{"seed", "belongs to a probability"}
	case f.Match != "" && !shape.match:
		return &FaultError{"match", fmt.Sprintf("%s is not about queries", f.Kind)}
	case len(f.Match) > maxMatch:
		return &FaultError{"match", fmt.Sprintf("expected at most %d bytes", maxMatch)}
	case !known && len(shape.variants) == 0:
		return &FaultError{"variant", fmt.Sprintf("%s has no variants", f.Kind)}
	case !known:
		return &FaultError{"variant", fmt.Sprintf("%q is unknown, expected one of %v", f.Variant, shape.variants)}
	default:
		return nil
	}
}

// matches tells whether the fault is about queries of a namespace with a first child.
func (f *Fault) matches(namespace, child string) bool {
	wantNamespace, wantChild, both := strings.Cut(f.Match, "/")
	return f.Match == "" || (wantNamespace == namespace && (!both || wantChild == child))
}

// queryNames are the namespace of a query and the tag of its first child, "-" when there is none.
func queryNames(query *waBinary.Node) (namespace, child string) {
	child = "-"
	if children := query.GetChildren(); len(children) > 0 {
		child = children[0].Tag
	}
	return stanza.Attr(query, "xmlns"), child
}

// queryFault strikes a query.
func (c *conn) queryFault(kind FaultKind, query *waBinary.Node) (Fault, bool) {
	if c.srv.faults.none() {
		return Fault{}, false
	}
	namespace, child := queryNames(query)
	return c.srv.faults.strikeIf(kind, c, func(f *Fault) bool { return f.matches(namespace, child) })
}

// bombSize is how large the content of a zlib bomb is, inflated, in bytes.
const bombSize = 64 << 20

// nameless is a pairing that succeeded, without the id that clients answer to. whatsmeow's handler panics on it, and with
// it the process of a client that does not guard its handlers.
func nameless() ([]byte, error) {
	return waBinary.Marshal(waBinary.Node{
		Tag: "iq", Attrs: waBinary.Attrs{"type": "set", "from": types.ServerJID}, Content: []waBinary.Node{{Tag: "pair-success"}},
	})
}

// zlibBomb is a stanza that clients ignore, once they have it. It is a whole one: whatsmeow's decoder panics on a
// list without a tag, as a bomb of mere zeros begins with, and takes its process with it.
func zlibBomb() ([]byte, error) {
	encoded, err := waBinary.Marshal(waBinary.Node{Tag: "ib", Content: make([]byte, bombSize)})
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	packed.WriteByte(2) // the flag of compressed content
	deflate := zlib.NewWriter(&packed)
	_, _ = deflate.Write(encoded[1:]) // writes to memory do not fail
	_ = deflate.Close()
	return packed.Bytes(), nil
}
