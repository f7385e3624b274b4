// Package masking removes what is private from texts that others have written, so that they can be logged.
package masking

import (
	"fmt"
	"regexp"
	"strings"
)

// numbers matches runs of digits that may be a phone number or a LID, and long hexadecimal or base64 runs, which are
// keys and payloads.
var numbers = regexp.MustCompile(`[0-9]{5,}|[0-9A-Za-z+/=_-]{40,}`)

// Text returns the text with … in the place of phone numbers, LIDs, keys and payloads.
func Text(text string) string { return numbers.ReplaceAllString(text, "…") }

// Error is an error of whatsmeow's that may be logged: its text contains no addresses.
type Error struct{ Err error }

// Error implements error.
func (e Error) Error() string { return Text(e.Err.Error()) }

// Unwrap returns the error as it was.
func (e Error) Unwrap() error { return e.Err }

// CrashLine returns one line of bounded length about a panic. It contains no phone numbers.
func CrashLine(where string, cause any) string {
	const limit = 200
	reason, _, _ := strings.Cut(Text(fmt.Sprint(cause)), "\n")
	if len(reason) > limit {
		reason = strings.ToValidUTF8(reason[:limit], "") + "…"
	}
	return where + ": " + reason
}
