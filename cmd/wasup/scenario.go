package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"wasup/sandbox"
)

// readScenario reads the scenario of the library with a name, or a file; nil for no name.
func readScenario(name string, speed float64) (*sandbox.Scenario, error) {
	if !(speed > 0 && speed <= maxScenarioSpeed) {
		return nil, &usageError{fmt.Errorf("--scenario.speed %v: expected more than 0, at most %d", speed, maxScenarioSpeed)}
	}
	if name == "" {
		return nil, nil
	}
	scenario, err := openScenario(name)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--scenario: %w", err)}
	}
	return &scenario, nil
}

const maxScenarioSpeed = 1000

func openScenario(name string) (sandbox.Scenario, error) {
	if slices.Contains(sandbox.ScenarioNames(), name) {
		return sandbox.LibraryScenario(name)
	}
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		// The error lists the names there are.
		return sandbox.LibraryScenario(name)
	}
	if err != nil {
		return sandbox.Scenario{}, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return sandbox.ParseScenario(file, name)
}

// play runs a scenario until it is over or ctx ends, and logs its steps.
func (p *playground) play(ctx context.Context, scenario sandbox.Scenario, speed float64) error {
	p.log.Info("scenario begins", "scenario", scenario.Name)
	err := scenario.Run(ctx, p.server, speed, func(step sandbox.StepReport) {
		if step.Error != nil {
			p.log.Warn("scenario step failed", "at", step.At, "line", step.Line, "step", step.What, "err", step.Error)
			return
		}
		p.log.Info("scenario step", "at", step.At, "line", step.Line, "step", step.What)
	})
	if err == nil {
		p.log.Info("scenario is over", "scenario", scenario.Name)
	}
	return err
}
