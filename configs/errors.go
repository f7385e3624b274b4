package configs

import "fmt"

// Error is one thing that is wrong with a configuration. Load and Validate
// return all of them at once, joined; use errors.As or the text.
type Error struct {
	Key    string // the key, or the name of a variable that is none
	Value  string // what was given, masked when it may be a secret; empty when it may not be shown
	Source string // such as "wasup.yaml:3", "WASUP_QR_WAIT" or "--qr.wait"; empty when set in code
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
