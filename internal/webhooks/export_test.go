package webhooks

// The external tests use these.
var MessageID = messageID

const (
	BreakAfter  = breakAfter
	MostKept    = mostKept
	MostUnnoted = mostUnnoted
)

// Kill cancels everything at once, like a kill of the process.
func (w *Webhooks) Kill() { w.end() }

// Waiting returns the number of moments that the loop waits for; 0: there is no timer.
func (w *Webhooks) Waiting() (n int) {
	w.postAndWait(func(l *loop) { n = len(l.times) })
	return n
}
