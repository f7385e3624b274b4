// Package chats has the tables of what is known of the other side of chats: the numbers that WhatsApp writes otherwise, and
// the disappearing timers.
//
// It knows no driver. The store opens the database and maps its errors.
package chats

import (
	"context"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/session"
)

// Database is the store's database.
type Database struct {
	Write, Read *dbutil.Database
	Commit      func(ctx context.Context, work func(ctx context.Context) error) error
	Failure     func(op string, id session.ID, err error) error // maps an error of the database; nil stays nil
	Clean       func(text string) string                        // replaces what no database can store in text
	Now         func() time.Time
}

// inList returns placeholders for the values, and the values as arguments.
func inList(values []string) (names string, args []any) {
	places := make([]string, len(values))
	for i, value := range values {
		places[i] = "$" + strconv.Itoa(i+1)
		args = append(args, value)
	}
	return strings.Join(places, ", "), args
}
