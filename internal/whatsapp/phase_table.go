package whatsapp

// phaseRow is one row of the run's table: in one of the phases from, if on happens and when holds, do the effects and
// go to the phase to.
type phaseRow struct {
	from []phase
	on   runInputKind
	when *phaseGuard // nil: always. The first row whose condition holds is taken.
	to   phase       // "": the phase stays
	do   []runEffect // effects, in order
	why  string
}

// phaseIgnored lists pairs of phase and input that change nothing, with the reason.
type phaseIgnored struct {
	from []phase
	on   []runInputKind
	why  string
}

// phaseGuard is a named condition of a row.
type phaseGuard struct {
	name  string
	holds func(machine) bool
}

var (
	loginHeldBack    = &phaseGuard{"a login request is held back", func(m machine) bool { return m.heldBack != nil }}
	connectionIsOver = &phaseGuard{"the connection is over", func(m machine) bool { return m.connectionOver }}
)

func inPhases(list ...phase) []phase { return list }

func doing(list ...runEffect) []runEffect { return list }

var (
	livePhases = inPhases(phaseUnlinked, phaseConfirming, phasePaired, phaseLinked)
	openPhases = append(livePhases[:4:4], phaseForgetting, phaseFinished)
)

var phaseTable = []phaseRow{
	{from: append(livePhases[:4:4], phaseForgetting), on: inputTold, do: doing(effectPost), why: "the session's machine is told"},
	{from: livePhases, on: inputLastWord, to: phaseFinished, do: doing(effectPost), why: "the session's machine is told, and gets no further input"},

	{from: livePhases, on: inputPairingAccepted, to: phaseConfirming, do: doing(effectPost), why: "the displayed code is used up"},
	{from: inPhases(phaseConfirming), on: inputLoginRequested, do: doing(effectHoldBack), why: "whatsmeow handles the two on different goroutines, so the login request can come before its pairing"},
	{from: inPhases(phaseUnlinked, phasePaired, phaseLinked), on: inputLoginRequested, to: phaseFinished, do: doing(effectPost), why: "the next run logs in"},
	{from: inPhases(phaseConfirming), on: inputPairingConfirmed, when: loginHeldBack, to: phaseFinished, do: doing(effectPost, effectPostHeldBack), why: "the login request follows its pairing"},
	{from: inPhases(phaseConfirming), on: inputPairingConfirmed, when: connectionIsOver, to: phaseFinished, do: doing(effectPost, effectPostLost), why: "whatsmeow expects the end of the connection and does not report it"},
	{from: inPhases(phaseConfirming), on: inputPairingConfirmed, to: phasePaired, do: doing(effectPost), why: "the login request follows"},

	{from: inPhases(phasePaired), on: inputConnectionEnded, to: phaseFinished, do: doing(effectPostLost), why: "whatsmeow expects the end of the connection and does not report it"},
	{from: inPhases(phaseUnlinked, phaseConfirming, phaseLinked, phaseForgetting, phaseFinished), on: inputConnectionEnded, why: "recorded as a fact: where it matters, whatsmeow reports it"},

	{from: livePhases, on: inputDeviceRemoved, to: phaseForgetting, why: "a new pairing must not load the device that is being deleted"},
	{from: inPhases(phaseFinished), on: inputDeviceRemoved, why: "recorded as a fact: failing writes to its tables are no database failure"},
	{from: inPhases(phaseForgetting), on: inputDeviceForgotten, to: phaseFinished, do: doing(effectPost), why: "now the session may be paired again"},

	{from: openPhases, on: inputStoreFailed, why: "recorded as a fact: nothing more is received, and WhatsApp delivers it to the next run"},
	{from: openPhases, on: inputUnlinkAsked, to: phaseFinished, why: "the end is intended, so nobody has to be told"},
	{from: openPhases, on: inputCloseAsked, to: phaseClosing, why: "works in every phase"},
	{from: inPhases(phaseClosing), on: inputTakenDown, to: phaseClosed, why: "nothing is left to wait for"},
}

var phaseIgnores = []phaseIgnored{
	{inPhases(phaseForgetting), []runInputKind{inputLastWord, inputLoginRequested, inputPairingAccepted, inputPairingConfirmed}, "the last word is the reason why the device is no longer valid"},
	{inPhases(phaseForgetting), []runInputKind{inputDeviceRemoved}, "the device is already being deleted"},
	{inPhases(phaseFinished), []runInputKind{
		inputTold, inputLastWord, inputLoginRequested, inputPairingAccepted, inputPairingConfirmed, inputDeviceForgotten,
	}, "the last word was posted"},
	{inPhases(phaseUnlinked, phasePaired, phaseLinked), []runInputKind{inputPairingConfirmed}, "no pairing was accepted"},
	{livePhases, []runInputKind{inputDeviceForgotten}, "DeviceRemoved comes first"},
	{inPhases(phaseClosing, phaseClosed), []runInputKind{
		inputTold, inputLastWord, inputLoginRequested, inputPairingAccepted, inputPairingConfirmed, inputDeviceRemoved, inputDeviceForgotten,
		inputStoreFailed, inputConnectionEnded, inputUnlinkAsked, inputCloseAsked,
	}, "the owner of the run has closed it and takes no further input"},
	{openPhases, []runInputKind{inputTakenDown}, "a run is closed before it is taken down"},
	{inPhases(phaseClosed), []runInputKind{inputTakenDown}, "the run is closed already"},
}
