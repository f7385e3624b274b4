package whatsapp

import (
	"slices"
	"sync"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/binary/token"

	"wasup/internal/whatsapp/outbound"
)

// maxExpected bounds the messages whose marks are remembered. At most five are between expect and their stanza at a time:
// the one in flight, and four that whatsmeow sends again.
const maxExpected = 16

// marking makes the stanzas of messages say what WhatsApp Web's say, where whatsmeow's differ. whatsmeow offers no access to
// a stanza before it leaves, so marking decodes the frames of messages that need a mark, and encodes them again.
type marking struct {
	mu       sync.Mutex
	expected []expected // the newest last
}

// expected is a message that is about to leave.
type expected struct {
	id    string
	marks outbound.Marks
}

// expect remembers the marks of a message that is about to leave. Most messages have none.
func (m *marking) expect(id string, marks outbound.Marks) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expected = slices.DeleteFunc(m.expected, func(e expected) bool { return e.id == id })
	if marks == (outbound.Marks{}) {
		return
	}
	if len(m.expected) >= maxExpected {
		m.expected = m.expected[1:]
	}
	m.expected = append(m.expected, expected{id, marks})
}

// of returns the marks of a message.
func (m *marking) of(id any) (marks outbound.Marks) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.expected {
		if e.id == id {
			return e.marks
		}
	}
	return outbound.Marks{}
}

// idle reports whether no message is expected.
func (m *marking) idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.expected) == 0
}

// rewrite returns a frame with the marks of its message. It returns all other frames as they are.
func (m *marking) rewrite(frame []byte) []byte {
	if m.idle() || !isMessage(frame) {
		return frame
	}
	node, err := waBinary.Unmarshal(frame[1:])
	if err != nil || !m.of(node.Attrs["id"]).Set(node) {
		return frame
	}
	marked, err := waBinary.Marshal(*node)
	if err != nil {
		return frame
	}
	return marked
}

// isMessage reports whether a frame is a message stanza, by its first bytes: 0 (not compressed), a list of less than 256
// elements, their number, and the token of the tag.
func isMessage(frame []byte) bool {
	tag, known := token.IndexOfSingleToken("message")
	return known && len(frame) > 3 && frame[0] == 0 && frame[1] == token.List8 && frame[3] == tag
}
