package numbers_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
	"wasup/internal/whatsapp/numbers"
)

// pairs knows LIDs by number.
type pairs struct {
	store.LIDStore

	known map[string]string
	err   error
}

func (p pairs) GetLIDForPN(_ context.Context, pn types.JID) (types.JID, error) {
	if lid := p.known[pn.User]; lid != "" {
		return types.NewJID(lid, types.HiddenUserServer), p.err
	}
	return types.JID{}, p.err
}

func (p pairs) GetManyLIDsForPNs(ctx context.Context, pns []types.JID) (map[types.JID]types.JID, error) {
	found := make(map[types.JID]types.JID)
	for _, pn := range pns {
		if lid, _ := p.GetLIDForPN(ctx, pn); !lid.IsEmpty() {
			found[pn] = lid
		}
	}
	return found, p.err
}

// table holds aliases in memory.
type table map[string]message.Address

func (t table) AliasesOf(_ context.Context, numbers ...string) (map[string]message.Address, error) {
	found := make(map[string]message.Address)
	for _, number := range numbers {
		if address, is := t[number]; is {
			found[number] = address
		}
	}
	return found, nil
}

func (t table) SaveAliases(_ context.Context, addresses map[string]message.Address, _ time.Time) error {
	maps.Copy(t, addresses)
	maps.DeleteFunc(t, func(_ string, address message.Address) bool { return address.IsZero() })
	return nil
}

// newBook returns a book whose questions are recorded, and an account that is written otherwise.
func newBook(lids pairs) (book *numbers.Book, asked *[]string, aliases table) {
	aliases, asked = table{}, new([]string)
	book = &numbers.Book{LIDs: lids, Aliases: aliases, Ask: func(_ context.Context, users []string) (map[string]message.Address, error) {
		*asked = append(*asked, users...)
		found := make(map[string]message.Address)
		for _, user := range users {
			if user == "5511987654321" || user == "551187654321" {
				found[user] = message.Address{LID: "101@lid", PN: "551187654321@s.whatsapp.net"}
			}
		}
		return found, nil
	}}
	return book, asked, aliases
}

func TestWhatIsKnownIsNotAskedFor(t *testing.T) {
	book, asked, aliases := newBook(pairs{known: map[string]string{"4915112345678": "7"}})
	for range 2 {
		found, err := book.Find(t.Context(), "4915112345678", "5511987654321")
		if err != nil || found["4915112345678"].LID != "7@lid" || found["5511987654321"].PN != "551187654321@s.whatsapp.net" {
			t.Fatal(found, err)
		}
	}
	if !slices.Equal(*asked, []string{"5511987654321"}) || len(aliases) != 1 {
		t.Errorf("asked for %v, remembered are %v", *asked, aliases)
	}
	if _, err := book.Refresh(t.Context(), "551187654321"); err != nil || len(aliases) != 1 {
		t.Errorf("a number that is written as it was asked for is remembered: %v, %v", aliases, err)
	}
	delete(aliases, "5511987654321")
	aliases["34600111222"] = message.Address{PN: "34600111223@s.whatsapp.net"}
	if _, err := book.Refresh(t.Context(), "34600111222"); err != nil || len(aliases) != 0 {
		t.Errorf("a number that nobody has any more is remembered: %v, %v", aliases, err)
	}
}

func TestWhoHasNoAccountIsAskedForOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, asked, _ := newBook(pairs{})
		for range 3 {
			if found, err := book.Find(t.Context(), "34600111222"); err != nil || len(found) != 0 {
				t.Fatal(found, err)
			}
		}
		time.Sleep(time.Minute)
		if _, err := book.Find(t.Context(), "34600111222"); err != nil || len(*asked) != 2 {
			t.Errorf("asked for %v, %v", *asked, err)
		}
		if _, err := book.Refresh(t.Context(), "34600111222"); err != nil || len(*asked) != 3 { // as a send does
			t.Errorf("asked for %v, %v", *asked, err)
		}
	})
}

func TestManyUnknownPeopleAreOneQuestion(t *testing.T) {
	book, asked, _ := newBook(pairs{})
	people := []message.Address{{PN: "5511987654321@s.whatsapp.net"}, {LID: "5@lid"}}
	for i := range 1000 {
		people = append(people, message.Address{PN: fmt.Sprintf("49151%07d@s.whatsapp.net", i)})
	}
	written, err := book.Written(t.Context(), people)
	if err != nil || len(*asked) != numbers.MostAsked || len(written) != len(people) || written[0].PN != "551187654321@s.whatsapp.net" || !slices.Equal(written[1:], people[1:]) {
		t.Errorf("asked for %d people, %v", len(*asked), err)
	}
	book.Ask = func(context.Context, []string) (map[string]message.Address, error) {
		return nil, errors.New("no answer")
	}
	if written, err = book.Written(t.Context(), []message.Address{{PN: "34600111222@s.whatsapp.net"}}); err != nil || written[0].PN != "34600111222@s.whatsapp.net" {
		t.Errorf("without an answer: %v, %v", written, err)
	}
}

// fullTable takes no aliases.
type fullTable struct{ table }

func (fullTable) SaveAliases(context.Context, map[string]message.Address, time.Time) error {
	return errors.New("disk")
}

func TestAFailureOfTheDatabaseIsToldFromOneOfWhatsApp(t *testing.T) {
	book, _, _ := newBook(pairs{err: errors.New("disk")})
	var broken *numbers.StoreError
	if _, err := book.Find(t.Context(), "34600111222"); !errors.As(err, &broken) {
		t.Error(err)
	}
	if _, err := book.Written(t.Context(), []message.Address{{PN: "34600111222@s.whatsapp.net"}}); !errors.As(err, &broken) {
		t.Error(err)
	}
	book, _, aliases := newBook(pairs{})
	book.Aliases = fullTable{aliases}
	if _, err := book.Refresh(t.Context(), "5511987654321"); !errors.As(err, &broken) {
		t.Error(err)
	}
	book, _, _ = newBook(pairs{})
	book.Ask = func(context.Context, []string) (map[string]message.Address, error) {
		return nil, errors.New("no answer")
	}
	if _, err := book.Find(t.Context(), "34600111222"); err == nil || errors.As(err, &broken) {
		t.Error(err)
	}
}
