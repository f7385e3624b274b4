package whatsapp

import "wasup/internal/session"

// phase is where a client run is: in one of these, and from one to another by the rows of phaseTable only.
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

// phases are all of them, with what they mean.
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
	inputTold             runInputKind = "Told"             // Post: something for the session's machine, and more may follow
	inputLastWord         runInputKind = "LastWord"         // Post: something after which whatsmeow's events belong to a connection that is over
	inputLoginRequested   runInputKind = "LoginRequested"   // Post: WhatsApp asks for a new login (515)
	inputPairingAccepted  runInputKind = "PairingAccepted"  // Post: we bound the new device and let whatsmeow go on
	inputPairingConfirmed runInputKind = "PairingConfirmed" // Post: the phone has the confirmation, the device is stored
	inputDeviceRemoved    runInputKind = "DeviceRemoved"    // the device is over, or was never completed
	inputDeviceForgotten  runInputKind = "DeviceForgotten"  // Post: its credentials are deleted, and this is why
	inputStoreFailed      runInputKind = "StoreFailed"      // Err: what was received could not be stored
	inputConnectionEnded  runInputKind = "ConnectionEnded"
	inputUnlinkAsked      runInputKind = "UnlinkAsked" // a person logs the session out: its end is wanted
	inputCloseAsked       runInputKind = "CloseAsked"
	inputTakenDown        runInputKind = "TakenDown" // everything that the run started has ended
)

// runInputs lists every kind.
var runInputs = []runInputKind{
	inputTold, inputLastWord, inputLoginRequested, inputPairingAccepted, inputPairingConfirmed, inputDeviceRemoved, inputDeviceForgotten,
	inputStoreFailed, inputConnectionEnded, inputUnlinkAsked, inputCloseAsked, inputTakenDown,
}

// runInput is one thing that happened, with what its kind carries.
type runInput struct {
	kind runInputKind
	post session.Input
	err  error
}

// runInputFor is what an input for the session's machine means to the run.
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

// runEffect is something that is posted, or kept for later.
type runEffect string

const (
	effectPost         runEffect = "Post"         // what came
	effectHoldBack     runEffect = "HoldBack"     // what came, until the pairing is confirmed
	effectPostHeldBack runEffect = "PostHeldBack" // what was held back
	effectPostLost     runEffect = "PostLost"     // that the connection ended
)

// lostAfterPairing is posted by us: whatsmeow expects the connection to end after a pairing and tells nobody.
var lostAfterPairing = session.Input{Kind: session.SocketLost, Detail: "the connection ended after the pairing, without a login request"}

// machine is the state of a run, a pure value: its phase, and facts that no phase excludes. A fact that holds once holds
// for ever.
type machine struct {
	phase           phase
	connectionOver  bool
	receivingOver   bool           // nothing is kept nor acknowledged any more
	deviceForgotten bool           // what writes to the device's tables fails from now on, and that is no fault
	failure         error          // of the database, which ends receiving
	heldBack        *session.Input // the login request that came before the confirmation of its pairing
}

func newMachine(hasDevice bool) machine {
	if hasDevice {
		return machine{phase: phaseLinked}
	}
	return machine{phase: phaseUnlinked}
}

// receives reports whether what comes is kept and acknowledged.
func (m machine) receives() bool { return !m.receivingOver && m.open() }

// open reports that Close was not called yet.
func (m machine) open() bool { return m.phase != phaseClosing && m.phase != phaseClosed }

// answers reports whether what is sent may still be answered.
func (m machine) answers() bool { return !m.connectionOver && m.failure == nil && m.open() }

// step is the machine: what happened makes the next one, and what is to be posted, in order.
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
	m.note(in)
	if row.to != "" {
		m.phase = row.to
	}
	return m, posts
}

// note takes over the facts.
func (m *machine) note(in runInput) {
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

// row is the first one that holds.
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
