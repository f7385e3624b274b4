package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"wasup/internal/sandbox/observe"
)

// Errors of scenarios on a server.
var (
	ErrUnknownScenario  = errors.New("no such scenario")
	ErrTooManyScenarios = errors.New("too many scenarios at once")
	ErrBadSpeed         = errors.New("not a speed: expected more than 0 and at most 1000")
)

const (
	// maxScenarios is the maximum number of scenarios that run at the same time, keptScenarios the number of scenarios
	// that are remembered, running ones included.
	maxScenarios  = 8
	keptScenarios = 24
	// keptReports is the number of step reports that are remembered for a scenario.
	keptReports = 50
	// MaxScenarioSpeed is the maximum factor by which a scenario's clock runs faster.
	MaxScenarioSpeed = 1000
)

// ScenarioState is the state of a scenario.
type ScenarioState string

// The states of a scenario.
const (
	ScenarioRunning ScenarioState = "running"
	ScenarioDone    ScenarioState = "done"
	ScenarioStopped ScenarioState = "stopped"
)

// ScenarioProgress is the progress of a scenario that is running or has ended.
type ScenarioProgress struct {
	ID, Name, About string
	State           ScenarioState
	Speed           float64
	Began, Ended    time.Time // Ended is zero while it runs
	// Steps is the number of steps in the file. Taken is the number of steps that were run, with repetitions and the ends
	// of timed faults. Failed is the number of these that failed.
	Steps, Taken, Failed int
	// Elapsed is the time since the beginning, and Next the time of the next step, both on the scenario's clock. Next is 0
	// after the end.
	Elapsed, Next time.Duration
	// Reports are the reports of the latest steps, oldest first.
	Reports []StepReport
}

// playedScenario is a scenario on a server, with the function that stops it.
type playedScenario struct {
	mu       sync.Mutex
	progress ScenarioProgress
	cancel   context.CancelFunc
	over     chan struct{}
}

// Scenarios runs scenarios on a server.
type Scenarios struct {
	server *Server

	mu   sync.Mutex
	last int
	runs []*playedScenario // oldest first
}

// Start starts a scenario and returns at once. speed is the factor by which its clock runs faster. The scenario ends by
// itself, by Stop or when the server closes. Its phones exist when Start returns. Errors: ErrBadSpeed,
// ErrTooManyScenarios, ErrNotRunning.
func (p *Scenarios) Start(sc Scenario, speed float64) (ScenarioProgress, error) {
	if !(speed > 0 && speed <= MaxScenarioSpeed) { // written as a negation, so that NaN is refused
		return ScenarioProgress{}, ErrBadSpeed
	}
	if err := sc.addPhones(p.server); err != nil {
		return ScenarioProgress{}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &playedScenario{cancel: cancel, over: make(chan struct{}), progress: ScenarioProgress{
		Name: sc.Name, About: sc.About, State: ScenarioRunning, Speed: speed, Began: time.Now(), Steps: len(sc.Steps),
	}}
	if err := p.add(run); err != nil {
		cancel()
		return ScenarioProgress{}, err
	}
	if !p.server.net.Tasks.Spawn(func() { p.play(ctx, sc, run) }) {
		cancel()
		close(run.over)
		return ScenarioProgress{}, ErrNotRunning
	}
	return run.snapshot(), nil
}

// play runs a scenario until it is done or stopped, or the server closes.
func (p *Scenarios) play(ctx context.Context, sc Scenario, run *playedScenario) {
	defer close(run.over)
	defer run.cancel()
	watched := p.server.net.Tasks.Spawn(func() {
		select {
		case <-p.server.net.Tasks.Closing:
			run.cancel()
		case <-ctx.Done():
		}
	})
	if !watched { // the server is closing already
		run.cancel()
	}
	id, name := run.progress.ID, run.progress.Name
	p.server.net.Log.Info("scenario begins", "scenario", name)
	p.server.net.Observer.Emit(observe.Event{Kind: observe.EventScenario, Detail: id + " " + name + " begins"})
	sc.run(ctx, p.server, run.progress.Speed, func(step StepReport) {
		run.took(step)
		if step.Error != nil {
			p.server.net.Log.Warn("scenario step failed", "at", step.At, "line", step.Line, "step", step.What, "err", step.Error)
		} else {
			p.server.net.Log.Info("scenario step", "at", step.At, "line", step.Line, "step", step.What)
		}
		p.server.net.Observer.Emit(observe.Event{Kind: observe.EventScenario, Detail: id + " " + name + ": " + step.What})
	}, run.expects)
	state := ScenarioDone
	if ctx.Err() != nil {
		state = ScenarioStopped
	}
	run.ended(state)
	p.server.net.Log.Info("scenario is over", "scenario", name)
	p.server.net.Observer.Emit(observe.Event{Kind: observe.EventScenario, Detail: id + " " + name + " is " + string(state)})
}

// Stop stops a scenario and returns once its current step has ended and its timed faults are cleared. For a scenario that
// has ended it returns the final progress. Errors: ErrUnknownScenario or that of ctx.
func (p *Scenarios) Stop(ctx context.Context, id string) (ScenarioProgress, error) {
	run, err := p.find(id)
	if err != nil {
		return ScenarioProgress{}, err
	}
	run.cancel()
	select {
	case <-run.over:
		return run.snapshot(), nil
	case <-ctx.Done():
		return ScenarioProgress{}, fmt.Errorf("sandbox: stop a scenario: %w", ctx.Err())
	}
}

// Get returns the progress of a scenario. Errors: ErrUnknownScenario.
func (p *Scenarios) Get(id string) (ScenarioProgress, error) {
	run, err := p.find(id)
	if err != nil {
		return ScenarioProgress{}, err
	}
	return run.snapshot(), nil
}

// List lists running and recent scenarios, oldest first.
func (p *Scenarios) List() []ScenarioProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]ScenarioProgress, 0, len(p.runs))
	for _, run := range p.runs {
		list = append(list, run.snapshot())
	}
	return list
}

func (p *Scenarios) add(run *playedScenario) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	running, oldest := 0, -1
	for i, other := range p.runs {
		if other.snapshot().State == ScenarioRunning {
			running++
		} else if oldest < 0 {
			oldest = i
		}
	}
	if running >= maxScenarios {
		return fmt.Errorf("%w: expected at most %d", ErrTooManyScenarios, maxScenarios)
	}
	if len(p.runs) >= keptScenarios {
		p.runs = append(p.runs[:oldest], p.runs[oldest+1:]...)
	}
	p.last++
	run.progress.ID = strconv.Itoa(p.last)
	p.runs = append(p.runs, run)
	return nil
}

func (p *Scenarios) find(id string) (*playedScenario, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range p.runs {
		if run.progress.ID == id {
			return run, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownScenario, id)
}

// expects stores the time of the next step.
func (r *playedScenario) expects(next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Next = next
}

func (r *playedScenario) took(step StepReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Taken++
	if step.Error != nil {
		r.progress.Failed++
	}
	kept := r.progress.Reports
	if len(kept) >= keptReports {
		kept = kept[1:]
	}
	// Append to a copy: snapshots share the old slice.
	r.progress.Reports = append(kept[:len(kept):len(kept)], step)
}

func (r *playedScenario) ended(state ScenarioState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.State, r.progress.Ended, r.progress.Next = state, time.Now(), 0
}

func (r *playedScenario) snapshot() ScenarioProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	progress := r.progress
	until := progress.Ended
	if until.IsZero() {
		until = time.Now()
	}
	progress.Elapsed = time.Duration(float64(until.Sub(progress.Began)) * progress.Speed)
	return progress
}

// Scenarios returns the scenarios of the server.
func (s *Server) Scenarios() *Scenarios { return s.scenarios }
