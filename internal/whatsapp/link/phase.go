package link

// phase says what a link does with the server's bytes. A link is in one phase at a time. Only rows of table change it.
type phase string

const (
	phaseSilent phase = "SILENT" // the server has not sent anything yet
	phaseOpen   phase = "OPEN"   // the server's bytes are delivered to whatsmeow
	phaseHeld   phase = "HELD"   // we are closing, so nothing is delivered any more
	phaseEnded  phase = "ENDED"  // whatsmeow knows that the connection ended, and closes its socket itself
)

// phases lists every phase.
var phases = []phase{phaseSilent, phaseOpen, phaseHeld, phaseEnded}

// input is something that happens to a link.
type input string

const (
	inputHandedOn    input = "HandedOn"    // the server's bytes reached whatsmeow
	inputReadNothing input = "ReadNothing" // the read returned no bytes and no error
	inputUnanswered  input = "Unanswered"  // the connection ended before the server had sent anything
	inputEndReached  input = "EndReached"  // the reader has reached the end of the connection
	inputHoldAsked   input = "HoldAsked"   // we want to close the connection
)

// row is one row of the link's table: a link in one of the phases from goes to the phase to when on happens.
type row struct {
	from []phase
	on   input
	to   phase // "": the phase stays
	why  string
}

var table = []row{
	{[]phase{phaseSilent, phaseOpen}, inputHandedOn, phaseOpen, "the server has sent something"},
	{[]phase{phaseSilent, phaseOpen}, inputReadNothing, "", "the WebSocket library reads again"},
	{[]phase{phaseSilent}, inputUnanswered, phaseOpen, "a broken response in the server's place makes whatsmeow stop waiting"},
	{[]phase{phaseSilent, phaseOpen}, inputEndReached, phaseEnded, "whatsmeow may learn of the end now"},
	{[]phase{phaseSilent, phaseOpen, phaseHeld}, inputHoldAsked, phaseHeld, "whatsmeow's reader must be idle before whatsmeow disconnects"},
}

// ignored lists pairs of phase and input that change nothing, with the reason.
type ignored struct {
	from []phase
	on   []input
	why  string
}

var ignores = []ignored{
	{[]phase{phaseOpen}, []input{inputUnanswered}, "the server has sent something"},
	{[]phase{phaseHeld}, []input{inputHandedOn, inputReadNothing, inputUnanswered, inputEndReached}, "whatsmeow gets nothing until the link is closed"},
	{[]phase{phaseEnded}, []input{inputHandedOn, inputReadNothing, inputUnanswered, inputEndReached, inputHoldAsked}, "whatsmeow closes its socket itself"},
}

// inputs lists every input.
var inputs = []input{inputHandedOn, inputReadNothing, inputUnanswered, inputEndReached, inputHoldAsked}

// after returns the next phase, and false if no row allows the input in this phase.
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
