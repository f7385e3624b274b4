package session

import (
	"fmt"
	"regexp"
	"strconv"
)

// ID identifies a session. The compatibility routes use numeric ids.
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

// Numeric returns the id as a client id of the compatibility routes: a positive integer without leading zeros. It
// returns false if the id is not one.
func (id ID) Numeric() (int64, bool) {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != string(id) {
		return 0, false
	}
	return n, true
}

// NumericID returns the session id of a client of the compatibility routes: client 51 is session "51".
func NumericID(n int64) ID { return ID(strconv.FormatInt(n, 10)) }

// Clip shortens s to its first n bytes and an ellipsis. Error texts use it to repeat a caller's input.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
