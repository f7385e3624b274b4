// Package storetest is the conformance suite of a store. Every database must pass the same tests, those of faults
// included.
//
// The package owns no database. It uses a store only through its exported methods, so that the suite is the same for
// each database.
package storetest
