package configs

import "fmt"

// Error is one error in a configuration. Load and Validate return all of them at
// once, joined.
type Error struct {
	Key    string // the key, or the name of an unknown variable
	Value  string // the given value, masked if it may be a secret; empty if it must not be shown
	Source string // such as "wasup.yaml:3", "WASUP_QR_WAIT" or "--qr.wait"; empty if set in code
	Want   string // what was expected
}

func (e *Error) Error() string {
	s := e.Key
	if e.Value != "" {
		s += fmt.Sprintf(" = %q", e.Value)
	}
	if e.Source != "" && e.Source != e.Key {
		s += " (" + e.Source + ")"
	}
	return s + ": " + e.Want
}
