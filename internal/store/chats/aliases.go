package chats

import (
	"context"
	"strings"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/message"
)

// maxForgotten bounds the old entries that one transaction removes.
const maxForgotten = 500

// Aliases is the table of phone numbers that WhatsApp writes otherwise, such as Brazilian numbers with or without their
// ninth digit. Like the table of LIDs and numbers, all sessions share it.
type Aliases struct{ db Database }

// NewAliases returns the table.
func NewAliases(db Database) *Aliases { return &Aliases{db} }

type aliasRow struct {
	number string
	of     message.Address
}

// AliasesOf returns the addresses that WhatsApp has given for numbers in digits. Numbers without an entry are missing.
func (a *Aliases) AliasesOf(ctx context.Context, numbers ...string) (map[string]message.Address, error) {
	found := make(map[string]message.Address)
	if len(numbers) == 0 {
		return found, nil
	}
	names, args := inList(numbers)
	rows, err := a.db.Read.Query(ctx, "SELECT number, lid, pn FROM wasup_alias WHERE number IN ("+names+")", args...)
	err = dbutil.NewRowIterWithError(rows, func(row dbutil.Scannable) (r aliasRow, err error) {
		return r, row.Scan(&r.number, &r.of.LID, &r.of.PN)
	}, err).Iter(func(r aliasRow) (bool, error) {
		found[r.number] = r.of
		return true, nil
	})
	if err != nil {
		return nil, a.db.Failure("look up numbers", "", err)
	}
	return found, nil
}

// SaveAliases stores addresses by number, instead of earlier ones. It removes the entry of a number with the zero address,
// and entries that were stored before forget, some at a time. So the table grows no more than it is used.
func (a *Aliases) SaveAliases(ctx context.Context, addresses map[string]message.Address, forget time.Time) error {
	if len(addresses) == 0 {
		return nil
	}
	now := a.db.Now().UnixMilli()
	err := a.db.Commit(ctx, func(ctx context.Context) error {
		for number, of := range addresses {
			statement, args := `INSERT INTO wasup_alias (number, lid, pn, at) VALUES ($1, $2, $3, $4)
				ON CONFLICT (number) DO UPDATE SET lid=excluded.lid, pn=excluded.pn, at=excluded.at`, []any{number, of.LID, of.PN, now}
			if of.IsZero() {
				statement, args = "DELETE FROM wasup_alias WHERE number=$1", args[:1]
			}
			if _, err := a.db.Write.Exec(ctx, statement, args...); err != nil {
				return err
			}
		}
		_, err := a.db.Write.Exec(ctx, "DELETE FROM wasup_alias WHERE number IN (SELECT number FROM wasup_alias WHERE at<$1 ORDER BY at LIMIT $2)",
			forget.UnixMilli(), maxForgotten)
		return err
	})
	return a.db.Failure("save numbers", "", err)
}

// IsAlias reports whether an address is another spelling of a person's number. It reads within the transaction of ctx, and its
// error is the database's.
func (a *Aliases) IsAlias(ctx context.Context, address string, of message.Address) (bool, error) {
	number, isNumber := strings.CutSuffix(address, "@s.whatsapp.net")
	if !isNumber {
		return false, nil
	}
	var n int
	err := a.db.Write.QueryRow(ctx, "SELECT count(*) FROM wasup_alias WHERE number=$1 AND (pn=$2 AND pn<>'' OR lid=$3 AND lid<>'')",
		a.db.Clean(number), a.db.Clean(of.PN), a.db.Clean(of.LID)).Scan(&n)
	return n > 0, err
}
