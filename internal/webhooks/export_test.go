package webhooks

// What the tests beside the package see of its inside.
var MessageID = messageID

const (
	BreakAfter  = breakAfter
	MostKept    = mostKept
	MostUnnoted = mostUnnoted
)

// Kill ends everything in the middle of what it does.
func (w *Webhooks) Kill() { w.end() }

// Waiting is how many moments the loop waits for: 0 means that there is no timer.
func (w *Webhooks) Waiting() (n int) {
	w.ask(func(l *loop) { n = len(l.times) })
	return n
}
