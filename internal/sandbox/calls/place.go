package calls

import (
	"crypto/rand"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/stanza"
)

// Place lets a phone call somebody, or a group, and returns the id of the call.
func (set *Set) Place(from accounts.Origin, to groups.Chat, video bool, ring time.Duration) (string, error) {
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.newCall(from, to, newCallID(), video, ring)
	if err != nil {
		return "", err
	}
	set.ringAll(c, func(*accounts.Account, uint16) []waBinary.Node { return offerContent(video) })
	if to.Group == nil {
		// WhatsApp's clients measure the way to the relays as soon as it rings.
		set.signal(c, from, to.Account, waBinary.Node{Tag: "relaylatency", Content: []waBinary.Node{{
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
