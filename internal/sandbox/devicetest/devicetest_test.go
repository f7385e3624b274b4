package devicetest

import (
	"context"
	"database/sql"
	"testing"
)

func TestClosingWaitsForTheQueryThatRuns(t *testing.T) {
	db, err := sql.Open("sqlite", DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	held, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		closeAndWait(t, db)
	}()
	for db.PingContext(context.Background()) == nil {
		// until Close has begun
	}
	select {
	case <-closed:
		t.Fatal("closed while a connection was held")
	default:
	}
	if err = held.Close(); err != nil {
		t.Fatal(err)
	}
	<-closed
	if got := db.Stats().OpenConnections; got != 0 {
		t.Fatalf("%d connections are left", got)
	}
}
