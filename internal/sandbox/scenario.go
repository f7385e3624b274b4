package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
)

// Scenario is a schedule of faults and other actions on a server. ParseScenario reads one from YAML.
type Scenario struct {
	Name   string
	About  string
	Phones []phones.Config // created when the scenario begins, unless they exist
	Steps  []Step
}

// Step is one action at a time, which counts from the beginning of the scenario. Exactly one of the fields from Fault
// to Clear is set (For belongs to Fault).
type Step struct {
	Line  int           // line in the file, for errors
	At    time.Duration // time of the first run
	Every time.Duration // interval of repetitions; 0: the step runs once
	Times int           // total number of runs; 0 with Every: until the scenario is stopped

	Fault       *faults.Fault
	For         time.Duration // time after which the fault is cleared; 0: never, or by its Count
	Drop        *faults.Select
	Close       *faults.Select
	HalfOpen    *faults.Select
	StreamError *StreamErrorStep
	Restart     *RestartStep
	Send        *SendStep
	Clear       bool // clears every fault
}

// StreamErrorStep sends a stream error to live connections.
type StreamErrorStep struct {
	Select   faults.Select
	Code     int
	Conflict string
	KeepOpen bool
}

// RestartStep restarts the server.
type RestartStep struct {
	Down   time.Duration // how long the server does not listen
	Forget bool          // the server loses its linked devices
}

// SendStep makes a phone send a text.
type SendStep struct{ From, To, Text string }

// StepReport is the report of one step that was run.
type StepReport struct {
	At    time.Duration // time since the beginning, on the scenario's clock
	Line  int
	What  string
	Error error // of the step; the scenario continues
}

// Run runs the scenario's steps on the server until all are done or ctx ends, which is not an error. speed is the
// factor by which the scenario's clock runs faster. report may be nil. Faults with a duration are cleared at the end,
// even if ctx has ended.
func (sc Scenario) Run(ctx context.Context, s *Server, speed float64, report func(StepReport)) error {
	if speed <= 0 {
		return fmt.Errorf("speed is %v: expected more than 0", speed)
	}
	if err := sc.addPhones(s); err != nil {
		return err
	}
	sc.run(ctx, s, speed, report, func(time.Duration) {})
	return nil
}

// addPhones creates the scenario's phones, unless they exist.
func (sc Scenario) addPhones(s *Server) error {
	for _, phone := range sc.Phones {
		if _, err := s.AddPhone(phone); err != nil && !errors.Is(err, accounts.ErrExists) {
			return fmt.Errorf("scenario %s: phone %s: %w", sc.Name, phone.Number, err)
		}
	}
	return nil
}

// run runs the steps. It calls expects with the time of each next step, on the scenario's clock.
func (sc Scenario) run(ctx context.Context, s *Server, speed float64, report func(StepReport), expects func(time.Duration)) {
	run := &scenarioRun{server: s, speed: speed, began: time.Now(), report: report}
	defer run.clearAll()
	for i := range sc.Steps {
		run.plan(sc.Steps[i].At, &sc.Steps[i], 1, "")
	}
	for len(run.due) > 0 {
		next := run.due[0]
		run.due = run.due[1:]
		expects(next.at)
		if !run.wait(ctx, next.at) {
			return
		}
		run.take(ctx, next)
	}
}

// scenarioRun is one run of a scenario. Steps run one after the other.
type scenarioRun struct {
	server *Server
	speed  float64
	began  time.Time
	due    []dueStep
	timed  []string // ids of faults with a duration
	report func(StepReport)
}

// dueStep is a planned step, or the planned end of a fault.
type dueStep struct {
	at    time.Duration
	step  *Step
	count int
	clear string // id of the fault to clear; "" to run the step
}

func (r *scenarioRun) plan(at time.Duration, step *Step, count int, clearing string) {
	r.due = append(r.due, dueStep{at, step, count, clearing})
	slices.SortStableFunc(r.due, func(a, b dueStep) int { return cmp.Compare(a.at, b.at) })
}

// wait waits for a time of the scenario. It returns false when ctx has ended.
func (r *scenarioRun) wait(ctx context.Context, at time.Duration) bool {
	timer := time.NewTimer(time.Until(r.began.Add(r.scaled(at))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *scenarioRun) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / r.speed)
}

func (r *scenarioRun) take(ctx context.Context, due dueStep) {
	if due.clear != "" {
		r.server.ClearFault(due.clear)
		r.tell(due, "fault cleared", nil)
		return
	}
	what, err := r.act(ctx, due)
	r.tell(due, what, err)
	if due.step.Every > 0 && (due.step.Times == 0 || due.count < due.step.Times) {
		r.plan(due.at+due.step.Every, due.step, due.count+1, "")
	}
}

func (r *scenarioRun) tell(due dueStep, what string, err error) {
	if r.report != nil {
		r.report(StepReport{At: due.at, Line: due.step.Line, What: what, Error: err})
	}
}

func (r *scenarioRun) act(ctx context.Context, due dueStep) (string, error) {
	step, s := due.step, r.server
	reached := func(verb string, n int) (string, error) { return fmt.Sprintf("%s %d connections", verb, n), nil }
	switch {
	case step.Fault != nil:
		return r.fault(due)
	case step.Drop != nil:
		return reached("cut", s.DropTCP(*step.Drop))
	case step.Close != nil:
		return reached("closed", s.CloseConnections(*step.Close))
	case step.HalfOpen != nil:
		return reached("left half open", s.HalfOpen(*step.HalfOpen))
	case step.StreamError != nil:
		e := step.StreamError
		return reached("stream error to", s.StreamError(e.Select, e.Code, e.Conflict, !e.KeepOpen))
	case step.Restart != nil:
		return "server restarted", s.Restart(ctx, r.scaled(step.Restart.Down), !step.Restart.Forget)
	case step.Send != nil:
		from, ok := s.Phone(step.Send.From)
		if !ok {
			return "send", fmt.Errorf("%w: %s", ErrPhoneUnknown, step.Send.From)
		}
		_, err := from.SendText(ctx, step.Send.To, step.Send.Text)
		return "message sent", err
	default:
		s.ClearFaults()
		return "every fault cleared", nil
	}
}

func (r *scenarioRun) fault(due dueStep) (string, error) {
	fault := *due.step.Fault
	fault.Delay = r.scaled(fault.Delay)
	id, err := r.server.SetFault(fault)
	if err == nil && due.step.For > 0 {
		r.timed = append(r.timed, id)
		r.plan(due.at+due.step.For, due.step, due.count, id)
	}
	return "fault " + string(fault.Kind), err
}

func (r *scenarioRun) clearAll() {
	for _, id := range r.timed {
		r.server.ClearFault(id)
	}
}
