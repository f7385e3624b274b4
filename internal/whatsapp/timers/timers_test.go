package timers_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/timers"
)

var noon = time.Unix(1_780_000_000, 0).UTC()

func setting(of waE2E.ProtocolMessage_Type, seconds uint32, at int64) *waE2E.Message {
	return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: of.Enum(), EphemeralExpiration: &seconds, EphemeralSettingTimestamp: &at}}
}

func TestWhatNobodyCanMeanIsNoSetting(t *testing.T) {
	const set, sync = waE2E.ProtocolMessage_EPHEMERAL_SETTING, waE2E.ProtocolMessage_EPHEMERAL_SYNC_RESPONSE
	for name, test := range map[string]struct {
		content *waE2E.Message
		valid   bool
		seconds int
		at      time.Time
	}{
		"a day":                  {setting(set, 86_400, noon.Unix()-5), true, 86_400, noon.Add(-5 * time.Second)},
		"off":                    {setting(set, 0, noon.Unix()), true, 0, noon},
		"an answer":              {setting(sync, 86_400, noon.Unix()), true, 86_400, noon},
		"a fast clock":           {setting(set, 86_400, noon.Unix()+3600), true, 86_400, noon.Add(time.Hour)},
		"the year 10000":         {setting(set, 86_400, 253402300800), true, 86_400, noon},
		"milliseconds":           {setting(set, 86_400, noon.UnixMilli()), true, 86_400, noon},
		"before all times":       {setting(set, 86_400, -1<<63), true, 86_400, noon},
		"the last of all times":  {setting(set, 86_400, 1<<63-1), true, 86_400, noon},
		"no time":                {setting(set, 86_400, 0), true, 86_400, noon},
		"a year":                 {setting(set, 31_536_000, noon.Unix()), true, 31_536_000, noon},
		"more than a year":       {setting(set, 31_536_001, noon.Unix()), false, 0, noon},
		"minus one, as unsigned": {setting(set, 1<<32-1, noon.Unix()), false, 0, noon},
		"another message":        {setting(waE2E.ProtocolMessage_REVOKE, 86_400, noon.Unix()), false, 0, noon},
		"nothing":                {nil, false, 0, noon},
	} {
		timer, valid := timers.Setting(test.content, noon, true)
		if valid != test.valid || valid && (timer.Seconds != test.seconds || !timer.SetAt.Equal(test.at) || !timer.ByMe) {
			t.Errorf("%s: %+v, %t", name, timer, valid)
		}
	}
	for name, info := range map[string]*waE2E.ContextInfo{
		"nothing": nil, "no time": {Expiration: proto.Uint32(86_400)},
		"a time before all times": {Expiration: proto.Uint32(86_400), EphemeralSettingTimestamp: proto.Int64(-5)},
		"minus one":               {Expiration: proto.Uint32(1<<32 - 1), EphemeralSettingTimestamp: proto.Int64(noon.Unix())},
	} {
		if timer, valid := timers.Stated(info, noon, false); valid {
			t.Errorf("%s states %+v", name, timer)
		}
	}
	if timer, valid := timers.OfGroup(types.GroupEphemeral{IsEphemeral: true, DisappearingTimer: 1<<32 - 1}, noon); valid {
		t.Errorf("a group has %+v", timer)
	}
}

func TestWhoBroughtASettingAboutIsToldFromOurSide(t *testing.T) {
	const me, other = waE2E.DisappearingMode_INITIATED_BY_ME, waE2E.DisappearingMode_INITIATED_BY_OTHER
	for _, test := range []struct {
		said     waE2E.DisappearingMode_Initiator
		fromMe   bool
		by, want bool // initiatedByMe as said, and ByMe
		kept     waE2E.DisappearingMode_Initiator
	}{
		{me, true, true, true, me},
		{me, false, true, false, other},
		{other, false, false, true, me},
		{other, true, false, false, other},
		{waE2E.DisappearingMode_CHANGED_IN_CHAT, false, true, false, waE2E.DisappearingMode_CHANGED_IN_CHAT},
	} {
		info := &waE2E.ContextInfo{Expiration: proto.Uint32(5), EphemeralSettingTimestamp: proto.Int64(noon.Unix()), DisappearingMode: &waE2E.DisappearingMode{
			Initiator: test.said.Enum(), Trigger: waE2E.DisappearingMode_ACCOUNT_SETTING.Enum(), InitiatedByMe: &test.by,
		}}
		timer, valid := timers.Stated(info, noon, test.fromMe)
		if !valid || timer.ByMe != test.want || timer.Initiator != int(test.kept) || timer.Trigger != 2 {
			t.Errorf("%+v: %+v, %t", test, timer, valid)
		}
		marked := timers.Mark(nil, timer, false)
		if mode := marked.GetDisappearingMode(); mode.GetInitiator() != test.kept || mode.GetInitiatedByMe() != test.want || marked.GetEphemeralSettingTimestamp() != noon.Unix() {
			t.Errorf("%+v: marked with %v", test, marked)
		}
	}
}

func TestAMessageWithoutATimerIsNotMarked(t *testing.T) {
	if info := timers.Mark(nil, message.Timer{SetAt: noon}, false); info != nil {
		t.Errorf("marked with %v", info)
	}
	info := timers.Mark(&waE2E.ContextInfo{StanzaID: proto.String("quoted")}, message.Timer{Seconds: 5, SetAt: noon}, true)
	if info.GetStanzaID() != "quoted" || info.GetExpiration() != 5 || info.EphemeralSettingTimestamp != nil || info.DisappearingMode != nil {
		t.Errorf("in a group it is marked with %v", info)
	}
}

// table holds one timer and counts its reads.
type table struct {
	timer message.Timer
	known bool
	reads int
	// read and written are called within a read and a write, before they end.
	read, written func()
}

func (t *table) Timer(context.Context, session.ID, string, message.Address) (message.Timer, bool, error) {
	t.reads++
	timer, known := t.timer, t.known
	if t.read != nil {
		t.read()
	}
	return timer, known, nil
}

func (t *table) SetTimer(_ context.Context, _ session.ID, _ string, _ message.Address, timer message.Timer) (bool, error) {
	if t.written != nil {
		t.written()
	}
	t.timer, t.known = timer, true
	return true, nil
}

// has fails the test if the keeper has another timer for a chat.
func has(t *testing.T, k *timers.Keeper, chat message.Address, seconds int) {
	t.Helper()
	if timer, known, err := k.Of(t.Context(), chat); known != (seconds > 0) || timer.Seconds != seconds || err != nil {
		t.Errorf("the timer of %s is %+v, %t, %v, want %d seconds", chat, timer, known, err, seconds)
	}
}

func newKeeper() (k *timers.Keeper, stored *table) {
	stored = &table{}
	return &timers.Keeper{Session: "51", Own: func() (jid, lid types.JID) { return }, Table: stored}, stored
}

var ana = message.Address{LID: "101@lid", PN: "1@s.whatsapp.net"}

func TestTimersInMemoryAreThoseOfTheTable(t *testing.T) {
	k, stored := newKeeper()
	set := func(chat message.Address, seconds int) {
		t.Helper()
		if err := k.Set(t.Context(), timers.Change{Chat: chat, Timer: message.Timer{Seconds: seconds}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		has(t, k, ana, 0)
	}
	set(ana, 5)
	for range 3 {
		has(t, k, ana, 5)
	}
	if stored.reads != 2 {
		t.Errorf("the table was read %d times", stored.reads)
	}
	// Under each of its addresses.
	has(t, k, message.Address{PN: ana.PN}, 5)
	set(ana, 6)
	has(t, k, message.Address{PN: ana.PN}, 6)
	has(t, k, ana, 6)
	empty := &timers.Keeper{}
	if timer, known, err := empty.Of(t.Context(), ana); known || err != nil || empty.Set(t.Context(), timers.Change{Chat: ana, Timer: timer}) != nil {
		t.Error(timer, known, err)
	}
}

func TestATimerThatIsReadWhileItChangesIsNotRemembered(t *testing.T) {
	change := timers.Change{Chat: ana, Timer: message.Timer{Seconds: 5}}
	// The write begins and ends within the read.
	k, stored := newKeeper()
	stored.read = func() {
		stored.read = nil
		if err := k.Set(t.Context(), change); err != nil {
			t.Error(err)
		}
	}
	has(t, k, ana, 0)
	has(t, k, ana, 5)
	// The read begins and ends within the write.
	k, stored = newKeeper()
	stored.written = func() { has(t, k, ana, 0) }
	if err := k.Set(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	has(t, k, ana, 5)
}

func TestTimersInMemoryAreBounded(t *testing.T) {
	k, stored := newKeeper()
	const chats = 2000
	all := func() {
		for i := range chats {
			has(t, k, message.Address{LID: strconv.Itoa(i) + "@lid"}, 0)
		}
	}
	all()
	all() // those that were in memory are read again: newer ones have replaced them
	if stored.reads != 2*chats {
		t.Errorf("%d chats were read %d times", chats, stored.reads)
	}
}
