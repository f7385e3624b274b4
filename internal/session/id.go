package session

import (
	"fmt"
	"regexp"
	"strconv"
)

// ID names a session: one linked WhatsApp account slot. Numeric identifiers serve the compatibility routes.
type ID string

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// ParseID accepts 1 to 64 characters of a-z, 0-9, '_' and '-', beginning with a letter or a digit.
func ParseID(s string) (ID, error) {
	if !idPattern.MatchString(s) {
		return "", &Error{
			Code: CodeInvalidRequest, Op: "parse session id", Field: "id",
			Message: fmt.Sprintf("session id %q must be 1 to 64 characters of a-z, 0-9, '_' or '-', beginning with a letter or a digit", Clip(s, 80)),
		}
	}
	return ID(s), nil
}

// Numeric gives the id as the positive integer of the compatibility routes, if it is one in canonical form.
func (id ID) Numeric() (int64, bool) {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != string(id) {
		return 0, false
	}
	return n, true
}

// NumericID is the session of a client of the compatibility routes: client 51 is session "51".
func NumericID(n int64) ID { return ID(strconv.FormatInt(n, 10)) }

// Clip is the first n bytes of what a caller sent, for the text of an error.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
