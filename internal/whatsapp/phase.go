package whatsapp

import "wasup/internal/session"

// phase is the phase of a client run. Only rows of phaseTable change it.
type phase string

const (
	phaseUnlinked   phase = "UNLINKED"
	phaseConfirming phase = "CONFIRMING"
	phasePaired     phase = "PAIRED"
	phaseLinked     phase = "LINKED"
	phaseForgetting phase = "FORGETTING"
	phaseFinished   phase = "FINISHED"
	phaseClosing    phase = "CLOSING"
	phaseClosed     phase = "CLOSED"
)

// phases lists every phase with its meaning, for the documentation.
var phases = []struct {
	phase phase
	what  string
}{
	{phaseUnlinked, "no device is linked: a phone may scan a code"},
	{phaseConfirming, "we accepted a phone's pairing and are confirming it to the phone"},
	{phasePaired, "the device was linked in this run; WhatsApp's request to log in again ends the run"},
	{phaseLinked, "the device was linked before this run; the run logs in, sends and receives"},
	{phaseForgetting, "the device is no longer valid and its credentials are being deleted; the last word follows"},
	{phaseFinished, "the last word was posted, or is not needed because a person logs the session out"},
	{phaseClosing, "Close was called: the run ends its goroutines and waits for them"},
	{phaseClosed, "nothing of the run is left"},
}

// runInputKind is something that happens to a run.
type runInputKind string

const (
	inputTold             runInputKind = "Told"             // Post: an input for the session's machine that is not its last
	inputLastWord         runInputKind = "LastWord"         // Post: an input after which whatsmeow's events belong to a connection that is over
	inputLoginRequested   runInputKind = "LoginRequested"   // Post: WhatsApp asks for a new login (515)
	inputPairingAccepted  runInputKind = "PairingAccepted"  // Post: the new device is bound, and whatsmeow may continue
	inputPairingConfirmed runInputKind = "PairingConfirmed" // Post: the phone has the confirmation, and the device is stored
	inputDeviceRemoved    runInputKind = "DeviceRemoved"    // the device is no longer valid, or its pairing failed
	inputDeviceForgotten  runInputKind = "DeviceForgotten"  // Post: the reason; the device's credentials are deleted
	inputStoreFailed      runInputKind = "StoreFailed"      // Err: received data could not be stored
	inputConnectionEnded  runInputKind = "ConnectionEnded"
	inputUnlinkAsked      runInputKind = "UnlinkAsked" // a person logs the session out, so its end is intended
	inputCloseAsked       runInputKind = "CloseAsked"
	inputTakenDown        runInputKind = "TakenDown" // everything that the run started has ended
)

// runInputs lists every kind of input.
var runInputs = []runInputKind{
	inputTold, inputLastWord, inputLoginRequested, inputPairingAccepted, inputPairingConfirmed, inputDeviceRemoved, inputDeviceForgotten,
	inputStoreFailed, inputConnectionEnded, inputUnlinkAsked, inputCloseAsked, inputTakenDown,
}

// runInput is one input of the run's machine. Which fields are set depends on its kind.
type runInput struct {
	kind runInputKind
	post session.Input
	err  error
}

// runInputFor returns the run's input for an input of the session's machine.
func runInputFor(in session.Input) runInput {
	kind := inputTold
	switch in.Kind {
	case session.Scanned:
		kind = inputPairingAccepted
	case session.Paired:
		kind = inputPairingConfirmed
	case session.LoginReconnect:
		kind = inputLoginRequested
	case session.LoggedOut, session.Banned, session.Replaced, session.TempBanned, session.ClientOutdated, session.PairFailed,
		session.ConnectRefused, session.SocketLost, session.KeepAliveStale, session.StoreFailed:
		kind = inputLastWord
	default:
	}
	return runInput{kind: kind, post: in}
}

// runEffect is an action of a row: an input for the session's machine is posted, or held back.
type runEffect string

const (
	effectPost         runEffect = "Post"         // post the input
	effectHoldBack     runEffect = "HoldBack"     // hold the input back until the pairing is confirmed
	effectPostHeldBack runEffect = "PostHeldBack" // post the input that was held back
	effectPostLost     runEffect = "PostLost"     // post that the connection ended
)

// lostAfterPairing is posted in whatsmeow's place: whatsmeow expects the connection to end after a pairing and reports
// nothing.
var lostAfterPairing = session.Input{Kind: session.SocketLost, Detail: "the connection ended after the pairing, without a login request"}

// machine is the state of a run, a pure value: its phase, and facts that are independent of the phase. A fact never
// becomes false again.
type machine struct {
	phase           phase
	connectionOver  bool
	receivingOver   bool           // received data is neither stored nor acknowledged any more
	deviceForgotten bool           // the device's tables can no longer be written, which is no database failure
	failure         error          // the database failure that ended receiving
	heldBack        *session.Input // a login request that came before the confirmation of its pairing
}

func newMachine(hasDevice bool) machine {
	if hasDevice {
		return machine{phase: phaseLinked}
	}
	return machine{phase: phaseUnlinked}
}

// receives reports whether received data is stored and acknowledged.
func (m machine) receives() bool { return !m.receivingOver && m.open() }

// open reports whether Close has not been called yet.
func (m machine) open() bool { return m.phase != phaseClosing && m.phase != phaseClosed }

// answers reports whether WhatsApp's answer to a request can still arrive.
func (m machine) answers() bool { return !m.connectionOver && m.failure == nil && m.open() }

// step returns the machine after an input, and what to post to the session's machine, in order.
func (m machine) step(in runInput) (machine, []session.Input) {
	row := m.row(in.kind)
	if row == nil {
		return m, nil
	}
	var posts []session.Input
	for _, effect := range row.do {
		switch effect {
		case effectPost:
			posts = append(posts, in.post)
		case effectHoldBack:
			m.heldBack = &in.post
		case effectPostHeldBack:
			posts = append(posts, *m.heldBack)
		case effectPostLost:
			posts = append(posts, lostAfterPairing)
		}
	}
	m.recordFact(in)
	if row.to != "" {
		m.phase = row.to
	}
	return m, posts
}

// recordFact sets the facts that follow from an input.
func (m *machine) recordFact(in runInput) {
	switch in.kind {
	case inputConnectionEnded:
		m.connectionOver = true
	case inputDeviceRemoved:
		m.deviceForgotten = true
	case inputStoreFailed:
		m.receivingOver = true
		if m.failure == nil && !m.deviceForgotten {
			m.failure = in.err
		}
	default:
	}
}

// row returns the first row whose condition holds, or nil.
func (m machine) row(on runInputKind) *phaseRow {
	for _, row := range phaseIndex[phasePair{m.phase, on}] {
		if row.when == nil || row.when.holds(m) {
			return row
		}
	}
	return nil
}

type phasePair struct {
	phase phase
	on    runInputKind
}

var phaseIndex = indexPhases()

func indexPhases() map[phasePair][]*phaseRow {
	index := make(map[phasePair][]*phaseRow)
	for i := range phaseTable {
		for _, from := range phaseTable[i].from {
			pair := phasePair{from, phaseTable[i].on}
			index[pair] = append(index[pair], &phaseTable[i])
		}
	}
	return index
}
