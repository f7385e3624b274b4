package link

// phase is what becomes of the bytes that the server sends: a link is in one phase at a time, and goes from one to
// another by the rows of table only.
type phase string

const (
	phaseSilent phase = "SILENT" // the server has said nothing yet
	phaseOpen   phase = "OPEN"   // what the server sends is handed on to whatsmeow
	phaseHeld   phase = "HELD"   // we are closing: nothing is handed on any more
	phaseEnded  phase = "ENDED"  // whatsmeow was told of the end, and takes its socket down by itself
)

// phases are all of them.
var phases = []phase{phaseSilent, phaseOpen, phaseHeld, phaseEnded}

// input is something that happens to a link.
type input string

const (
	inputHandedOn    input = "HandedOn"    // bytes of the server reached whatsmeow
	inputReadNothing input = "ReadNothing" // the reader is to try again
	inputUnanswered  input = "Unanswered"  // the connection ended before the server had said anything
	inputEndReached  input = "EndReached"  // the reader has come to the end of the connection
	inputHoldAsked   input = "HoldAsked"   // we want to close the connection
)

// row is one row of the link's machine: in one of from, when on happens, go to.
type row struct {
	from []phase
	on   input
	to   phase // "": stay
	why  string
}

var table = []row{
	{[]phase{phaseSilent, phaseOpen}, inputHandedOn, phaseOpen, "the server has spoken"},
	{[]phase{phaseSilent, phaseOpen}, inputReadNothing, "", "the WebSocket library asks again"},
	{[]phase{phaseSilent}, inputUnanswered, phaseOpen, "we speak in the server's place, so that whatsmeow stops waiting"},
	{[]phase{phaseSilent, phaseOpen}, inputEndReached, phaseEnded, "whatsmeow may know now"},
	{[]phase{phaseSilent, phaseOpen, phaseHeld}, inputHoldAsked, phaseHeld, "whatsmeow is at rest before it disconnects"},
}

// ignored are pairs of phases and inputs that change nothing, with the reason.
type ignored struct {
	from []phase
	on   []input
	why  string
}

var ignores = []ignored{
	{[]phase{phaseOpen}, []input{inputUnanswered}, "the server has spoken"},
	{[]phase{phaseHeld}, []input{inputHandedOn, inputReadNothing, inputUnanswered, inputEndReached}, "whatsmeow hears nothing until we have closed"},
	{[]phase{phaseEnded}, []input{inputHandedOn, inputReadNothing, inputUnanswered, inputEndReached, inputHoldAsked}, "whatsmeow takes its socket down"},
}

// inputs lists every kind.
var inputs = []input{inputHandedOn, inputReadNothing, inputUnanswered, inputEndReached, inputHoldAsked}

// after is the phase that follows, and whether there is a row for it.
func (p phase) after(on input) (phase, bool) {
	for i := range table {
		if table[i].on != on {
			continue
		}
		for _, from := range table[i].from {
			if from != p {
				continue
			}
			if table[i].to == "" {
				return p, true
			}
			return table[i].to, true
		}
	}
	return p, false
}
