package whatsapp

// linkPhase is what becomes of the bytes that the server sends: a link is in one phase at a time, and goes from one to
// another by the rows of linkTable only.
type linkPhase string

const (
	linkSilent linkPhase = "SILENT" // the server has said nothing yet
	linkOpen   linkPhase = "OPEN"   // what the server sends is handed on to whatsmeow
	linkHeld   linkPhase = "HELD"   // we are closing: nothing is handed on any more
	linkEnded  linkPhase = "ENDED"  // whatsmeow was told of the end, and takes its socket down by itself
)

// linkPhases are all of them.
var linkPhases = []linkPhase{linkSilent, linkOpen, linkHeld, linkEnded}

// linkInput is something that happens to a link.
type linkInput string

const (
	linkHandedOn    linkInput = "HandedOn"    // bytes of the server reached whatsmeow
	linkReadNothing linkInput = "ReadNothing" // the reader is to try again
	linkUnanswered  linkInput = "Unanswered"  // the connection ended before the server had said anything
	linkEndReached  linkInput = "EndReached"  // the reader has come to the end of the connection
	linkHoldAsked   linkInput = "HoldAsked"   // we want to close the connection
)

// linkRow is one row of the link's machine: in one of from, when on happens, go to.
type linkRow struct {
	from []linkPhase
	on   linkInput
	to   linkPhase // "": stay
	why  string
}

var linkTable = []linkRow{
	{[]linkPhase{linkSilent, linkOpen}, linkHandedOn, linkOpen, "the server has spoken"},
	{[]linkPhase{linkSilent, linkOpen}, linkReadNothing, "", "the WebSocket library asks again"},
	{[]linkPhase{linkSilent}, linkUnanswered, linkOpen, "we speak in the server's place, so that whatsmeow stops waiting"},
	{[]linkPhase{linkSilent, linkOpen}, linkEndReached, linkEnded, "whatsmeow may know now"},
	{[]linkPhase{linkSilent, linkOpen, linkHeld}, linkHoldAsked, linkHeld, "whatsmeow is at rest before it disconnects"},
}

// linkIgnored are pairs of phases and inputs that change nothing, with the reason.
type linkIgnored struct {
	from []linkPhase
	on   []linkInput
	why  string
}

var linkIgnores = []linkIgnored{
	{[]linkPhase{linkOpen}, []linkInput{linkUnanswered}, "the server has spoken"},
	{[]linkPhase{linkHeld}, []linkInput{linkHandedOn, linkReadNothing, linkUnanswered, linkEndReached}, "whatsmeow hears nothing until we have closed"},
	{[]linkPhase{linkEnded}, []linkInput{linkHandedOn, linkReadNothing, linkUnanswered, linkEndReached, linkHoldAsked}, "whatsmeow takes its socket down"},
}

// linkInputs lists every kind.
var linkInputs = []linkInput{linkHandedOn, linkReadNothing, linkUnanswered, linkEndReached, linkHoldAsked}

// after is the phase that follows, and whether there is a row for it.
func (p linkPhase) after(on linkInput) (linkPhase, bool) {
	for i := range linkTable {
		if linkTable[i].on != on {
			continue
		}
		for _, from := range linkTable[i].from {
			if from != p {
				continue
			}
			if linkTable[i].to == "" {
				return p, true
			}
			return linkTable[i].to, true
		}
	}
	return p, false
}
