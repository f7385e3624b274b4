package faults

import (
	"fmt"
	"strings"
)

// Faults of a live connection.
const (
	// DuplicateAck acknowledges a message twice.
	DuplicateAck Kind = "duplicate_ack"
	// FaultDelayIQ, FaultWithholdIQ and FaultRefuseIQ are about the answer to a query. A query whose answer is
	// late or never comes has taken effect; a refused one, answered with error Code, has not. Match narrows
	// them to queries of a namespace ("encrypt") and, after a slash, of a first child ("encrypt/count").
	DelayIQ    Kind = "delay_iq"
	WithholdIQ Kind = "withhold_iq"
	RefuseIQ   Kind = "refuse_iq"
	// CloseAtOnce closes right after a final stanza (failure, stream error) instead of CloseDelay later, so
	// that a client may lose the stanza.
	CloseAtOnce Kind = "close_at_once"
	// HalfOpen leaves a connection half open when its client says something: see HalfOpen.
	HalfOpen Kind = "half_open"
	// MalformedFrame sends, in place of a stanza, what Variant says.
	MalformedFrame Kind = "malformed_frame"
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

func lineFaults() []Kind {
	return []Kind{
		DuplicateAck, DelayIQ, WithholdIQ, RefuseIQ, CloseAtOnce, HalfOpen, MalformedFrame,
	}
}

func lineShape(kind Kind) (faultShape, bool) {
	switch kind {
	case DelayIQ:
		return faultShape{delay: true, match: true, live: true}, true
	case RefuseIQ:
		return faultShape{minCode: 400, maxCode: 599, match: true, live: true}, true
	case WithholdIQ:
		return faultShape{match: true, live: true}, true
	case MalformedFrame:
		return faultShape{variants: []string{VariantGarbage, VariantNode, VariantLength, VariantZlibBomb, VariantStanza, VariantTagless}, live: true}, true
	case DuplicateAck, CloseAtOnce, HalfOpen:
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
		return &Error{"conn", fmt.Sprintf("%s does not strike a live connection", f.Kind)}
	case f.Probability < 0 || f.Probability > 1 || f.Probability != f.Probability:
		return &Error{"probability", "expected 0 (always) to 1"}
	case f.Seed != 0 && f.Probability == 0:
		return &Error{"seed", "belongs to a probability"}
	case f.Match != "" && !shape.match:
		return &Error{"match", fmt.Sprintf("%s is not about queries", f.Kind)}
	case len(f.Match) > maxMatch:
		return &Error{"match", fmt.Sprintf("expected at most %d bytes", maxMatch)}
	case !known && len(shape.variants) == 0:
		return &Error{"variant", fmt.Sprintf("%s has no variants", f.Kind)}
	case !known:
		return &Error{"variant", fmt.Sprintf("%q is unknown, expected one of %v", f.Variant, shape.variants)}
	default:
		return nil
	}
}

// Matches tells whether the fault is about queries of a namespace with a first child.
func (f *Fault) Matches(namespace, child string) bool {
	wantNamespace, wantChild, both := strings.Cut(f.Match, "/")
	return f.Match == "" || (wantNamespace == namespace && (!both || wantChild == child))
}
