// Package compat is the routes of the Node session manager, as its callers know them, and the probes beside them. Their
// JSON, their errors and their Spanish are a contract: the literals in testdata pin it.
package compat
