package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"wasup/internal/sandbox"
)

// readScenario returns the scenario of the library with that name, or reads the file of that name. It returns nil for
// an empty name.
func readScenario(name string, speed float64) (*sandbox.Scenario, error) {
	if !(speed > 0 && speed <= sandbox.MaxScenarioSpeed) {
		return nil, &usageError{fmt.Errorf("--scenario.speed %v: expected more than 0, at most %d", speed, sandbox.MaxScenarioSpeed)}
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

func openScenario(name string) (sandbox.Scenario, error) {
	if slices.Contains(sandbox.ScenarioNames(), name) {
		return sandbox.LibraryScenario(name)
	}
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		// The error of LibraryScenario lists the names of the library.
		return sandbox.LibraryScenario(name)
	}
	if err != nil {
		return sandbox.Scenario{}, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return sandbox.ParseScenario(file, name)
}
