package storetest

import (
	"fmt"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
)

var contactTests = []test{
	{"aliases/a number leads to the address that was saved last", saveAliases},
	{"aliases/a receipt of an own device counts for an own number written otherwise", receiptOfAlias},
	{"timers/the newest setting of a chat holds, whatever its address", newestTimer},
	{"timers/each account of a session has its own", timersOfAccounts},
	{"timers/a deleted session leaves none", deleteTimers},
}

func saveAliases(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	aliases := st.Aliases()
	must(t, aliases.SaveAliases(ctx, nil, time.Time{}))
	ana := message.Address{LID: "101@lid", PN: "551187654321@s.whatsapp.net"}
	bruno := message.Address{PN: "5491155550101@s.whatsapp.net"}
	must(t, aliases.SaveAliases(ctx, map[string]message.Address{"5511987654321": {LID: "1@lid"}, "541155550101": bruno}, time.Time{}))
	must(t, aliases.SaveAliases(ctx, map[string]message.Address{"5511987654321": ana}, time.Time{}))
	found, err := aliases.AliasesOf(ctx, "5511987654321", "541155550101", "4915112345678")
	must(t, err)
	if len(found) != 2 || found["5511987654321"] != ana || found["541155550101"] != bruno {
		t.Fatalf("found %+v", found)
	}
	must(t, aliases.SaveAliases(ctx, map[string]message.Address{"5511987654321": {}}, time.Time{}))
	if found, err = aliases.AliasesOf(ctx, "5511987654321"); err != nil || len(found) != 0 {
		t.Fatalf("after the removal: %+v, %v", found, err)
	}
	if found, err = aliases.AliasesOf(ctx); err != nil || len(found) != 0 {
		t.Fatalf("of nobody: %+v, %v", found, err)
	}
}

func receiptOfAlias(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	_, err := st.Sessions().SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	own := message.Address{LID: "101@lid", PN: "551187654321@s.whatsapp.net"}
	must(t, st.Aliases().SaveAliases(ctx, map[string]message.Address{"5511987654321": own, "5491155550101": {LID: "102@lid"}}, time.Time{}))
	for n, receipt := range []struct {
		to        message.Recipient
		sender    message.Address
		delivered bool
	}{
		{"5511987654321@s.whatsapp.net", own, true},
		{"5511987654321@s.whatsapp.net", message.Address{PN: own.PN}, true},
		{"5511987654321@s.whatsapp.net", message.Address{LID: own.LID}, true}, // its number is not known yet
		{"5511987654321@lid", own, false},
		{"4915112345678@s.whatsapp.net", own, false},
		{"5491155550101@s.whatsapp.net", message.Address{LID: own.LID}, false}, // of somebody whose number is not known
		{"5491155550101@s.whatsapp.net", message.Address{PN: own.PN}, false},
	} {
		to, delivered := receipt.to, receipt.delivered
		id := fmt.Sprint(n, ": to ", to, " from ", receipt.sender)
		_, _, err := st.Outbox().Enqueue(ctx, outbox.Entry{Message: message.Message{
			Session: "51", ID: id, To: to, Content: message.TextOf("me"), State: message.Queued, CreatedAt: time.Now(),
		}}, time.Time{})
		must(t, err)
		steps, err := st.Outbox().Receipt(ctx, "51", events.ReceiptData{
			IDs: []string{id}, Sender: receipt.sender, FromMe: true, Status: events.ReceiptDelivered, At: time.Now(),
		})
		must(t, err)
		if (len(steps) == 1) != delivered {
			t.Errorf("%s: %+v", id, steps)
		}
	}
}

const ownAccount = "900@lid"

func timerAt(t *testing.T, st *store.Store, account string, chat message.Address) (message.Timer, bool) {
	t.Helper()
	timer, known, err := st.Timers().Timer(bounded(t), "51", account, chat)
	must(t, err)
	return timer, known
}

func newestTimer(t *testing.T, st *store.Store) {
	set := func(chat message.Address, timer message.Timer, want bool) {
		t.Helper()
		holds, err := st.Timers().SetTimer(bounded(t), "51", ownAccount, chat, timer)
		must(t, err)
		if holds != want {
			t.Fatalf("%+v holds: %t", timer, holds)
		}
	}
	pn, both := message.Address{PN: "1@s.whatsapp.net"}, message.Address{PN: "1@s.whatsapp.net", LID: "101@lid"}
	noon := time.Unix(1_780_000_000, 0).UTC()
	if timer, known := timerAt(t, st, ownAccount, both); known {
		t.Fatalf("nothing was set: %+v", timer)
	}
	set(message.Address{}, message.Timer{Seconds: 1}, false)
	set(pn, message.Timer{Seconds: 5}, true) // of unknown time
	set(pn, message.Timer{Seconds: 6}, true)
	full := message.Timer{Seconds: 604_800, SetAt: noon, ByMe: true, Initiator: 2, Trigger: 3, Source: "3EB0"}
	set(both, full, true) // the LID is known by now
	set(both, message.Timer{Seconds: 7}, false)
	set(both, message.Timer{Seconds: 86_400, SetAt: noon.Add(-time.Second)}, false)
	for _, chat := range []message.Address{both, {LID: both.LID}} {
		if timer, known := timerAt(t, st, ownAccount, chat); !known || timer != full {
			t.Fatalf("%+v has %+v", chat, timer)
		}
	}
	set(pn, message.Timer{Seconds: 86_400, SetAt: noon.Add(time.Second)}, true)
	if timer, _ := timerAt(t, st, ownAccount, both); timer.Seconds != 86_400 || timer.ByMe {
		t.Fatalf("the newest is %+v", timer)
	}
	set(both, message.Timer{SetAt: noon.Add(time.Second)}, true) // off, in the same second
	if timer, known := timerAt(t, st, ownAccount, both); !known || timer.Seconds != 0 {
		t.Fatalf("switched off it is %+v", timer)
	}
	group := message.Address{Group: "120363041234567890@g.us"}
	set(group, message.Timer{Seconds: 86_400}, true)
	if timer, known := timerAt(t, st, ownAccount, group); !known || timer.Seconds != 86_400 || !timer.SetAt.IsZero() {
		t.Fatalf("the group has %+v", timer)
	}
}

func timersOfAccounts(t *testing.T, st *store.Store) {
	chat := message.Address{LID: "101@lid"}
	for account, seconds := range map[string]int{ownAccount: 86_400, "800@lid": 604_800} {
		_, err := st.Timers().SetTimer(bounded(t), "51", account, chat, message.Timer{Seconds: seconds, SetAt: time.Unix(int64(seconds), 0)})
		must(t, err)
	}
	first, _ := timerAt(t, st, ownAccount, chat)
	second, _ := timerAt(t, st, "800@lid", chat)
	if first.Seconds != 86_400 || second.Seconds != 604_800 {
		t.Fatalf("%+v and %+v", first, second)
	}
}

func deleteTimers(t *testing.T, st *store.Store) {
	ctx, chat := bounded(t), message.Address{LID: "101@lid"}
	for _, id := range []session.ID{"51", "52"} {
		_, err := st.Timers().SetTimer(ctx, id, ownAccount, chat, message.Timer{Seconds: 86_400})
		must(t, err)
	}
	must(t, st.Sessions().Delete(ctx, "51"))
	_, gone, err := st.Timers().Timer(ctx, "51", ownAccount, chat)
	must(t, err)
	_, stays, err := st.Timers().Timer(ctx, "52", ownAccount, chat)
	must(t, err)
	if gone || !stays {
		t.Fatalf("the deleted session has one: %t, the other one: %t", gone, stays)
	}
}
