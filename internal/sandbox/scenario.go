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

// Scenario is a script of weather: what goes wrong on a server, and when. ParseScenario reads one from YAML.
type Scenario struct {
	Name   string
	About  string
	Phones []phones.Config // added when the scenario begins, unless they exist
	Steps  []Step
}

// Step is one thing that happens, at a time counted from the beginning of the scenario. Exactly one of the actions is
// set.
type Step struct {
	Line  int           // in the file, for errors
	At    time.Duration // the first time
	Every time.Duration // and again after each of these; 0: once
	Times int           // how often in all; 0 with Every: until the scenario is stopped

	Fault       *faults.Fault
	For         time.Duration // the fault is cleared after this; 0: it stays, or ends by its Count
	Drop        *faults.Select
	Close       *faults.Select
	HalfOpen    *faults.Select
	StreamError *StreamErrorStep
	Restart     *RestartStep
	Send        *SendStep
	Clear       bool // every fault
}

// StreamErrorStep is a stream error to live connections.
type StreamErrorStep struct {
	Select   faults.Select
	Code     int
	Conflict string
	KeepOpen bool
}

// RestartStep takes the server away and brings it back.
type RestartStep struct {
	Down   time.Duration // nothing listens for this long
	Forget bool          // it comes back without its state: nobody is linked any more
}

// SendStep lets a phone write.
type SendStep struct{ From, To, Text string }

// StepReport tells that a step was taken.
type StepReport struct {
	At    time.Duration // since the beginning, in the scenario's own time
	Line  int
	What  string
	Error error // of the step; the scenario goes on
}

// Run takes the scenario's steps on the server until all are done or ctx ends, which is no error. speed is how many
// times faster than written time passes; report may be nil. Faults with a duration are cleared also when ctx ends.
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

// addPhones adds the scenario's phones, unless they exist.
func (sc Scenario) addPhones(s *Server) error {
	for _, phone := range sc.Phones {
		if _, err := s.AddPhone(phone); err != nil && !errors.Is(err, accounts.ErrExists) {
			return fmt.Errorf("scenario %s: phone %s: %w", sc.Name, phone.Number, err)
		}
	}
	return nil
}

// run takes the steps. expects hears when the next one is due, in the scenario's time.
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

// scenarioRun is one run of a scenario; its steps are taken one after the other.
type scenarioRun struct {
	server *Server
	speed  float64
	began  time.Time
	due    []dueStep
	timed  []string // faults that have an end
	report func(StepReport)
}

// dueStep is a step at its time, or the end of a fault.
type dueStep struct {
	at    time.Duration
	step  *Step
	count int
	clear string // the id of the fault to clear; "" takes the step
}

func (r *scenarioRun) plan(at time.Duration, step *Step, count int, clearing string) {
	r.due = append(r.due, dueStep{at, step, count, clearing})
	slices.SortStableFunc(r.due, func(a, b dueStep) int { return cmp.Compare(a.at, b.at) })
}

// wait for a time of the scenario. False: ctx ended.
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
