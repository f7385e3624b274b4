package stanza

// QueryError is the error with which a query is refused.
type QueryError struct {
	Code int
	Text string
}

// The errors with which queries are refused.
var (
	ErrBadRequest     = &QueryError{400, "bad-request"}
	ErrNotAuthorized  = &QueryError{401, "not-authorized"}
	ErrForbidden      = &QueryError{403, "forbidden"}
	ErrNotFound       = &QueryError{404, "item-not-found"}
	ErrNotAcceptable  = &QueryError{406, "not-acceptable"}
	ErrConflict       = &QueryError{409, "conflict"}
	ErrGone           = &QueryError{410, "gone"}
	ErrFull           = &QueryError{419, "resource-limit"}
	ErrBroken         = &QueryError{500, "internal-server-error"}
	ErrNotImplemented = &QueryError{501, "feature-not-implemented"}
)
