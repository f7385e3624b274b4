package calls

import (
	"crypto/rand"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/stanza"
)

// Place calls an account or a group from a phone and returns the id of the call. The call ends after ring if nobody
// accepts it.
func (set *Set) Place(from accounts.Origin, to groups.Chat, video bool, ring time.Duration) (string, error) {
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.newCall(from, to, newCallID(), video, ring)
	if err != nil {
		return "", err
	}
	set.ringAll(c, func(*accounts.Account, uint16) []waBinary.Node { return offerContent(video) })
	if to.Shared == nil {
		// WhatsApp's clients measure the latency to the relays as soon as it rings.
		set.signal(c, from, to.Account, waBinary.Node{Tag: "relaylatency", Content: []waBinary.Node{{
			Tag: "te", Attrs: waBinary.Attrs{"latency": relayLatency, "relay_name": "sandbox"}, Content: []byte{127, 0, 0, 1, 0x0d, 0x96},
		}}})
	}
	return c.id, nil
}

// relayLatency is a latency of 50 ms in its wire format: 0x2000000 plus the milliseconds.
const relayLatency = "33554482"

// offerContent returns the part of an offer that describes audio and video.
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

// newCallID returns a call id in the form that WhatsApp's clients use: 16 random bytes in upper-case hex.
func newCallID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	return stanza.UpperHex(raw[:])
}
