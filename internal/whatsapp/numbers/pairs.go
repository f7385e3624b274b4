package numbers

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/types"
)

// maxLookedUp bounds the people of one statement.
const maxLookedUp = 1024

// Pairs reads whatsmeow's table of LIDs and phone numbers.
type Pairs struct {
	Read *dbutil.Database // reads what is committed
}

// Counterparts returns the other address of each person whose other address is known: see inbound.Counterparts.
func (p Pairs) Counterparts(ctx context.Context, people []types.JID) (map[types.JID]types.JID, error) {
	found := make(map[types.JID]types.JID)
	for some := range slices.Chunk(people, maxLookedUp) {
		if err := p.lookUp(ctx, some, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (p Pairs) lookUp(ctx context.Context, people []types.JID, found map[types.JID]types.JID) error {
	var (
		parts []string
		args  []any
	)
	for _, by := range []struct{ column, server string }{{"lid", types.HiddenUserServer}, {"pn", types.DefaultUserServer}} {
		var users []any
		for _, person := range people {
			if person.Server == by.server {
				users = append(users, person.User)
			}
		}
		if len(users) == 0 {
			continue
		}
		parts = append(parts, "SELECT lid, pn FROM whatsmeow_lid_map WHERE "+by.column+" IN ("+placeholders(len(args)+1, &users)+")")
		args = append(args, users...)
	}
	if len(parts) == 0 {
		return nil
	}
	type pair struct{ lid, pn string }
	rows, err := p.Read.Query(ctx, strings.Join(parts, " UNION ALL "), args...)
	return dbutil.NewRowIterWithError(rows, func(row dbutil.Scannable) (one pair, err error) {
		return one, row.Scan(&one.lid, &one.pn)
	}, err).Iter(func(one pair) (bool, error) {
		lid, pn := types.NewJID(one.lid, types.HiddenUserServer), types.NewJID(one.pn, types.DefaultUserServer)
		found[lid], found[pn] = pn, lid
		return true, nil
	})
}

// placeholders returns a list of placeholders from $first on. It repeats the last value until their number is a power of
// two, so that the driver prepares few different statements.
func placeholders(first int, values *[]any) string {
	number := 1
	for number < len(*values) {
		number *= 2
	}
	for len(*values) < number {
		*values = append(*values, (*values)[len(*values)-1])
	}
	names := make([]string, number)
	for i := range names {
		names[i] = "$" + strconv.Itoa(first+i)
	}
	return strings.Join(names, ",")
}
