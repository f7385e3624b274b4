package store

import (
	"context"
	"time"
)

// OnStatement makes the store call seen with each statement that it has run, and its arguments. It must be called before the
// store is used.
func (s *Store) OnStatement(seen func(query string, args []any)) {
	writes, reads := s.write.Log.(queryLog), s.read.Log.(queryLog) // with PostgreSQL of one pool
	s.write.Log, s.read.Log = watchedLog{writes, seen}, watchedLog{reads, seen}
}

type watchedLog struct {
	queryLog

	seen func(query string, args []any)
}

func (w watchedLog) QueryTiming(ctx context.Context, method, query string, args []any, rows int, took time.Duration, err error) {
	w.queryLog.QueryTiming(ctx, method, query, args, rows, took, err)
	w.seen(query, args)
}
