package metrics

import (
	"testing"
	"time"
)

func TestThePoolsOfTheDatabaseAreReadAtEachScrape(t *testing.T) {
	m := New(Options{})
	pool := Pool{Name: "postgres", Max: 20, InUse: 3, Idle: 2, Waits: 7, WaitTime: 1500 * time.Millisecond}
	m.Watch(Sources{Pools: func() []Pool { return []Pool{pool} }})
	names := []string{
		"wasup_store_connections", "wasup_store_connections_max",
		"wasup_store_connection_waits_total", "wasup_store_connection_wait_seconds_total",
	}
	expect(t, m, `
# HELP wasup_store_connection_wait_seconds_total Time that callers waited for a free database connection.
# TYPE wasup_store_connection_wait_seconds_total counter
wasup_store_connection_wait_seconds_total{pool="postgres"} 1.5
# HELP wasup_store_connection_waits_total How often a caller waited for a free database connection.
# TYPE wasup_store_connection_waits_total counter
wasup_store_connection_waits_total{pool="postgres"} 7
# HELP wasup_store_connections Open database connections: in_use ones run a statement or a transaction, idle ones are free.
# TYPE wasup_store_connections gauge
wasup_store_connections{pool="postgres",use="idle"} 2
wasup_store_connections{pool="postgres",use="in_use"} 3
# HELP wasup_store_connections_max Database connections that may be open at once.
# TYPE wasup_store_connections_max gauge
wasup_store_connections_max{pool="postgres"} 20
`, names...)
	pool.InUse = 4
	expect(t, m, `
# HELP wasup_store_connections Open database connections: in_use ones run a statement or a transaction, idle ones are free.
# TYPE wasup_store_connections gauge
wasup_store_connections{pool="postgres",use="idle"} 2
wasup_store_connections{pool="postgres",use="in_use"} 4
`, "wasup_store_connections")
}

func TestWithoutADatabaseThereAreNoPools(t *testing.T) {
	expect(t, New(Options{}), "", "wasup_store_connections", "wasup_store_connections_max")
}

func TestTheCommitsOfTheDatabaseAreReadAtEachScrape(t *testing.T) {
	m := New(Options{})
	names := []string{"wasup_store_works_total", "wasup_store_transactions_total"}
	expect(t, m, "", names...)
	figures := Commits{Works: 9, Transactions: 4}
	m.Watch(Sources{Commits: func() Commits { return figures }})
	figures.Works++
	expect(t, m, `
# HELP wasup_store_transactions_total Transactions that committed changes to outgoing messages, receipts and events. Changes that wait at the same moment share one transaction and one flush of the disk.
# TYPE wasup_store_transactions_total counter
wasup_store_transactions_total 4
# HELP wasup_store_works_total Committed changes to outgoing messages, receipts and events.
# TYPE wasup_store_works_total counter
wasup_store_works_total 10
`, names...)
}
