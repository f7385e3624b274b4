package whatsapp

// phaseRow is one row of the run's machine: in one of from, when on happens and when holds, do this and go to.
type phaseRow struct {
	from []phase
	on   runInputKind
	when *phaseGuard // nil: always. The first row that holds is taken.
	to   phase       // "": stay
	do   []runEffect // in order
	why  string
}

// phaseIgnored are pairs of phases and inputs that change nothing, with the reason.
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
	{from: livePhases, on: inputLastWord, to: phaseFinished, do: doing(effectPost), why: "the session's machine is told, and nothing more"},

	{from: livePhases, on: inputPairingAccepted, to: phaseConfirming, do: doing(effectPost), why: "the code on show is used"},
	{from: inPhases(phaseConfirming), on: inputLoginRequested, do: doing(effectHoldBack), why: "it has overtaken the pairing that it belongs to: whatsmeow handles the two on different goroutines"},
	{from: inPhases(phaseUnlinked, phasePaired, phaseLinked), on: inputLoginRequested, to: phaseFinished, do: doing(effectPost), why: "the next run logs in"},
	{from: inPhases(phaseConfirming), on: inputPairingConfirmed, when: loginHeldBack, to: phaseFinished, do: doing(effectPost, effectPostHeldBack), why: "the login request follows its pairing"},
	{from: inPhases(phaseConfirming), on: inputPairingConfirmed, when: connectionIsOver, to: phaseFinished, do: doing(effectPost, effectPostLost), why: "whatsmeow expects that end and tells nobody"},
	{from: inPhases(phaseConfirming), on: inputPairingConfirmed, to: phasePaired, do: doing(effectPost), why: "the login request is to follow"},

	{from: inPhases(phasePaired), on: inputConnectionEnded, to: phaseFinished, do: doing(effectPostLost), why: "whatsmeow expects that end and tells nobody"},
	{from: inPhases(phaseUnlinked, phaseConfirming, phaseLinked, phaseForgetting, phaseFinished), on: inputConnectionEnded, why: "noted: whatsmeow tells of it where it matters"},

	{from: livePhases, on: inputDeviceRemoved, to: phaseForgetting, why: "whoever pairs the session again must not load the dying device"},
	{from: inPhases(phaseFinished), on: inputDeviceRemoved, why: "noted: that its tables cannot be written is no fault"},
	{from: inPhases(phaseForgetting), on: inputDeviceForgotten, to: phaseFinished, do: doing(effectPost), why: "now the session may be paired again"},

	{from: openPhases, on: inputStoreFailed, why: "noted: nothing more is received, and WhatsApp delivers it to the next run"},
	{from: openPhases, on: inputUnlinkAsked, to: phaseFinished, why: "the end is wanted, so nobody has to be told of it"},
	{from: openPhases, on: inputCloseAsked, to: phaseClosing, why: "works in every phase"},
	{from: inPhases(phaseClosing), on: inputTakenDown, to: phaseClosed, why: "nothing is left to wait for"},
}

var phaseIgnores = []phaseIgnored{
	{inPhases(phaseForgetting), []runInputKind{inputLastWord, inputLoginRequested, inputPairingAccepted, inputPairingConfirmed}, "the last word is why the device is over"},
	{inPhases(phaseForgetting), []runInputKind{inputDeviceRemoved}, "it is being forgotten already"},
	{inPhases(phaseFinished), []runInputKind{
		inputTold, inputLastWord, inputLoginRequested, inputPairingAccepted, inputPairingConfirmed, inputDeviceForgotten,
	}, "the last word was posted"},
	{inPhases(phaseUnlinked, phasePaired, phaseLinked), []runInputKind{inputPairingConfirmed}, "no pairing was accepted"},
	{livePhases, []runInputKind{inputDeviceForgotten}, "what is to be forgotten was removed before"},
	{inPhases(phaseClosing, phaseClosed), []runInputKind{
		inputTold, inputLastWord, inputLoginRequested, inputPairingAccepted, inputPairingConfirmed, inputDeviceRemoved, inputDeviceForgotten,
		inputStoreFailed, inputConnectionEnded, inputUnlinkAsked, inputCloseAsked,
	}, "the owner of the run has ended it, and wants to hear nothing more"},
	{openPhases, []runInputKind{inputTakenDown}, "a run is closed before it is taken down"},
	{inPhases(phaseClosed), []runInputKind{inputTakenDown}, "it is closed already"},
}
