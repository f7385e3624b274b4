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

// Errors of scenarios that a server plays.
var (
	ErrUnknownScenario  = errors.New("no such scenario")
	ErrTooManyScenarios = errors.New("too many scenarios at once")
	ErrBadSpeed         = errors.New("not a speed: expected more than 0 and at most 1000")
)

const (
	// maxScenarios is how many scenarios may be played at once, and keptScenarios how many are remembered.
	maxScenarios  = 8
	keptScenarios = 24
	// keptReports is how many steps of a scenario are remembered.
	keptReports = 50
	// MaxScenarioSpeed is how many times faster than written a scenario may be played.
	MaxScenarioSpeed = 1000
)

// ScenarioState says how far a scenario is.
type ScenarioState string

// The states of a scenario.
const (
	ScenarioRunning ScenarioState = "running"
	ScenarioDone    ScenarioState = "done"
	ScenarioStopped ScenarioState = "stopped"
)

// ScenarioProgress is a scenario that the server plays or has played.
type ScenarioProgress struct {
	ID, Name, About string
	State           ScenarioState
	Speed           float64
	Began, Ended    time.Time // Ended is zero while it runs
	// Steps is how many the file has; Taken how many times one was taken, Failed how many of these went wrong. Steps
	// that repeat are taken more than once.
	Steps, Taken, Failed int
	// Elapsed is how far it is and Next when something happens again, both in the scenario's own time; Next is 0 when
	// nothing follows.
	Elapsed, Next time.Duration
	// Reports are of the latest steps, oldest first.
	Reports []StepReport
}

// playedScenario is one of them, with the means to stop it.
type playedScenario struct {
	mu       sync.Mutex
	progress ScenarioProgress
	cancel   context.CancelFunc
	over     chan struct{}
}

// scenarioPlayer plays scenarios on a server.
type scenarioPlayer struct {
	server *Server

	mu   sync.Mutex
	last int
	runs []*playedScenario // oldest first
}

// start plays a scenario on the server, speed times faster than written, and returns at once. It ends by
// itself, by stop or with the server. Its phones are there when start returns.
func (p *scenarioPlayer) start(sc Scenario, speed float64) (ScenarioProgress, error) {
	if !(speed > 0 && speed <= MaxScenarioSpeed) { // this way round, so that NaN is refused
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

// play runs a scenario until it is over, stopped or the server closes.
func (p *scenarioPlayer) play(ctx context.Context, sc Scenario, run *playedScenario) {
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

// stop stops a scenario and returns once its last step is over and its timed faults are cleared. One that
// has ended stays as it is.
func (p *scenarioPlayer) stop(ctx context.Context, id string) (ScenarioProgress, error) {
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

// get tells how far a scenario is.
func (p *scenarioPlayer) get(id string) (ScenarioProgress, error) {
	run, err := p.find(id)
	if err != nil {
		return ScenarioProgress{}, err
	}
	return run.snapshot(), nil
}

// list lists those that are played and the latest that were, oldest first.
func (p *scenarioPlayer) list() []ScenarioProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]ScenarioProgress, 0, len(p.runs))
	for _, run := range p.runs {
		list = append(list, run.snapshot())
	}
	return list
}

func (p *scenarioPlayer) add(run *playedScenario) error {
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

func (p *scenarioPlayer) find(id string) (*playedScenario, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range p.runs {
		if run.progress.ID == id {
			return run, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownScenario, id)
}

// expects notes when something happens next.
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
	// A copy: snapshots share what they were given.
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

// StartScenario plays a scenario on the server, speed times faster than written, and returns at once. It ends by
// itself, by StopScenario or with the server. Its phones are there when StartScenario returns.
func (s *Server) StartScenario(sc Scenario, speed float64) (ScenarioProgress, error) {
	return s.scenarios.start(sc, speed)
}

// StopScenario stops a scenario and returns once its last step is over and its timed faults are cleared. One that
// has ended stays as it is.
func (s *Server) StopScenario(ctx context.Context, id string) (ScenarioProgress, error) {
	return s.scenarios.stop(ctx, id)
}

// Scenario tells how far a scenario is.
func (s *Server) Scenario(id string) (ScenarioProgress, error) { return s.scenarios.get(id) }

// Scenarios lists those that are played and the latest that were, oldest first.
func (s *Server) Scenarios() []ScenarioProgress { return s.scenarios.list() }
