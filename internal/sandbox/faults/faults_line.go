package faults

import (
	"fmt"
	"strings"
)

// Faults of a live connection.
const (
	// DuplicateAck acknowledges a message twice.
	DuplicateAck Kind = "duplicate_ack"
	// DelayIQ, WithholdIQ and RefuseIQ are about the answer to a query. A query whose answer is late or missing has
	// taken effect. A refused query, answered with error Code, has not. Match narrows these faults to queries of a
	// namespace ("encrypt") and, after a slash, of a first child ("encrypt/count").
	DelayIQ    Kind = "delay_iq"
	WithholdIQ Kind = "withhold_iq"
	RefuseIQ   Kind = "refuse_iq"
	// CloseAtOnce closes the connection right after a final stanza (failure, stream error) instead of CloseDelay later,
	// so that a client may lose the stanza.
	CloseAtOnce Kind = "close_at_once"
	// HalfOpen leaves a connection half open when its client next sends something: the server reads nothing more, sends
	// nothing and does not close it.
	HalfOpen Kind = "half_open"
	// MalformedFrame sends a malformed frame in place of a stanza. Variant says what is wrong with it.
	MalformedFrame Kind = "malformed_frame"
	// OddTime gives a message, receipt, call or notification a time at which it cannot have been sent. Variant says which.
	OddTime Kind = "odd_time"
)

// The variants of BadCertificate, the first being the default.
const (
	VariantWrongRoot = "wrong_root" // signed by another root
	VariantExpired   = "expired"    // valid until a year ago
	VariantWrongKey  = "wrong_key"  // for another server's key
)

// The variants of RetireCode, the first being the default.
const (
	VariantRefresh = "refresh" // companion_reg_refresh
	VariantRotate  = "rotate"  // pair-device-rotate-qr
)

// The variants of Unavailable, the first being the default.
const (
	VariantUnsaid   = "unsaid"    // no reason is given
	VariantViewOnce = "view_once" // it may be viewed once, and only on the phone
)

// The variants of MalformedFrame, the first being the default.
const (
	VariantGarbage  = "garbage"   // a frame that cannot be decrypted
	VariantNode     = "node"      // a frame whose content is no stanza
	VariantLength   = "length"    // a frame shorter than its length field says, so that the next bytes are misread
	VariantZlibBomb = "zlib_bomb" // a small frame that inflates to 64 MiB of zeros
	VariantStanza   = "stanza"    // a valid stanza without a required attribute: a pairing without an id
	VariantTagless  = "tagless"   // a stanza without a tag
)

// The variants of OddTime, the first being the default.
const (
	VariantMilliseconds = "milliseconds" // the time in milliseconds, which is the year 50,000 or later
	VariantYear10000    = "year_10000"   // the first second that JSON cannot have
	VariantBefore       = "before"       // before the year 1
	VariantZero         = "zero"         // 0
)

func lineFaults() []Kind {
	return []Kind{
		DuplicateAck, DelayIQ, WithholdIQ, RefuseIQ, CloseAtOnce, HalfOpen, MalformedFrame, OddTime,
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
	case OddTime:
		return faultShape{variants: []string{VariantMilliseconds, VariantYear10000, VariantBefore, VariantZero}, live: true}, true
	case DuplicateAck, CloseAtOnce, HalfOpen:
		return faultShape{live: true}, true
	default:
		return faultShape{}, false
	}
}

const maxMatch = 100

// checkReach checks the fields that narrow a fault beyond account and device, and the variant.
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

// Matches reports whether the fault is for queries of this namespace with this first child.
func (f *Fault) Matches(namespace, child string) bool {
	wantNamespace, wantChild, both := strings.Cut(f.Match, "/")
	return f.Match == "" || (wantNamespace == namespace && (!both || wantChild == child))
}
