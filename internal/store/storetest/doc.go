// Package storetest is the conformance suite of a store: what every database behind it must do, fault for fault.
//
// It owns no database. It may use a store only through its exported methods, so that the suite means the same for each.
package storetest
