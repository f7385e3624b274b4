// Package compat has the routes of the Node session manager, as its callers know them, and the probes. Their
// JSON, their errors and their Spanish texts are a contract, which the literals in testdata pin.
package compat
