package sandbox

import (
	"context"
	"crypto/rand"
	"fmt"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/stanza"
)

// caller places and takes a phone's calls.
type caller struct {
	*handset

	availability *availability
	journal      *journal
}

// PlaceCall calls somebody, or a group: the phone and every linked device of who is called ring until somebody takes the
// call or not, or until it has rung for long enough. It returns the id of the call. The error is ErrUnknownContact,
// ErrCallSelf, ErrBadRing, ErrPhoneOffline, or of a group.
func (p *caller) PlaceCall(ctx context.Context, cfg CallConfig) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if cfg.Ring == 0 {
		cfg.Ring = defaultRing
	}
	if cfg.Ring < 0 || cfg.Ring > maxRing {
		return "", fmt.Errorf("%w: got %s", ErrBadRing, cfg.Ring)
	}
	if !p.availability.Online() {
		return "", ErrPhoneOffline
	}
	to, err := p.net.groups.chat(cfg.To)
	if err != nil {
		return "", err
	}
	s, from, content := p.net, origin{account: p.account}, offerContent(cfg.Video)
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	c, err := s.calls.newCall(from, to, newCallID(), cfg.Video, cfg.Ring)
	if err != nil {
		return "", err
	}
	s.calls.ringAll(c, func(*account, uint16) []waBinary.Node { return content })
	if to.group == nil {
		// WhatsApp's clients measure the way to the relays as soon as it rings.
		s.calls.signal(c, from, to.account, waBinary.Node{Tag: "relaylatency", Content: []waBinary.Node{{
			Tag: "te", Attrs: waBinary.Attrs{"latency": relayLatency, "relay_name": "sandbox"}, Content: []byte{127, 0, 0, 1, 0x0d, 0x96},
		}}})
	}
	return c.id, nil
}

// relayLatency is 50 ms as the wire has it: 0x2000000 and the milliseconds.
const relayLatency = "33554482"

// offerContent is what an offer says of sound and picture.
func offerContent(video bool) []waBinary.Node {
	content := []waBinary.Node{
		{Tag: "audio", Attrs: waBinary.Attrs{"enc": "opus", "rate": "8000"}},
		{Tag: "audio", Attrs: waBinary.Attrs{"enc": "opus", "rate": "16000"}},
	}
	if video {
		content = append(content, waBinary.Node{Tag: "video", Attrs: waBinary.Attrs{
			"enc": "vp8", "dec": "vp8", "orientation": "0", "screen_width": "1080", "screen_height": "2160",
		}})
	}
	return append(content,
		waBinary.Node{Tag: "net", Attrs: waBinary.Attrs{"medium": "3"}},
		waBinary.Node{Tag: "encopt", Attrs: waBinary.Attrs{"keygen": "2"}},
	)
}

// newCallID makes an id as WhatsApp's clients do: 16 random bytes in capitals.
func newCallID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	return stanza.UpperHex(raw[:])
}

// Calls lists the calls that the phone placed or got, oldest first. The server remembers the latest 1000 of all phones,
// while it runs.
func (p *caller) Calls() []Call { return p.net.calls.of(p.account) }

// AcceptCall takes a call that rings. The account's other devices are told that it was taken elsewhere. The error is
// ErrUnknownCall, ErrCallState or ErrPhoneOffline.
func (p *caller) AcceptCall(ctx context.Context, id string) error {
	return p.callStep(ctx, id, p.net.calls.acceptCall)
}

// RejectCall does not take a call that rings. The errors are those of AcceptCall.
func (p *caller) RejectCall(ctx context.Context, id string) error {
	return p.callStep(ctx, id, p.net.calls.rejectCall)
}

// EndCall hangs up: a call that the phone placed, or one that it took. The errors are those of AcceptCall.
func (p *caller) EndCall(ctx context.Context, id string) error {
	return p.callStep(ctx, id, p.net.calls.hangUp)
}

func (p *caller) callStep(ctx context.Context, id string, step func(origin, string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !p.availability.Online() {
		return ErrPhoneOffline
	}
	return step(origin{account: p.account}, id)
}

// WaitCall returns the first call that matches, waiting for it until ctx is done. It looks again whenever a call of the
// phone changes, so match may ask for a state.
func (p *caller) WaitCall(ctx context.Context, match func(Call) bool) (Call, error) {
	for {
		changed := p.journal.next()
		for _, call := range p.Calls() {
			if match(call) {
				return call, nil
			}
		}
		select {
		case <-changed:
		case <-p.removed:
			return Call{}, ErrPhoneRemoved
		case <-ctx.Done():
			return Call{}, fmt.Errorf("sandbox: waiting for a call: %w", ctx.Err())
		}
	}
}
