package httpapi

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wasup/internal/session"
)

func TestPositiveIntegersAreDigitsOnly(t *testing.T) {
	for in, want := range map[string]int64{
		"1": 1, "51": 51, "051": 51, "9007199254740991": maxClient, "000000000000000000000000051": 51,
		"": 0, "0": 0, "00": 0, "-1": 0, "+1": 0, " 1": 0, "1 ": 0, "1.0": 0, "1e3": 0, "0x10": 0, "1_000": 0, "51abc": 0,
		"9007199254740992": 0, "18446744073709551617": 0, "99999999999999999999999999": 0, "٥١": 0, "\uff15\uff11": 0, "1,2": 0, "1\x00": 0,
	} {
		got, ok := positiveInteger(in)
		if got != want && want != 0 || ok != (want != 0) {
			t.Errorf("%q gives %d, %v; expected %d", in, got, ok, want)
		}
	}
}

func TestInstanceNamesAreTheirSessionsSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, maxClient).Draw(t, "n")
		id, ok := instanceOf("sender_" + strconv.FormatInt(n, 10))
		if !ok || id != session.NumericID(n) {
			t.Fatalf("sender_%d is %q, %v", n, id, ok)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`sender_[0-9a-z+ -]{0,20}`)).Draw(t, "name")
		if id, ok := instanceOf(name); ok && "sender_"+string(id) != name {
			t.Fatalf("%q is taken for %q", name, id)
		}
	})
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	_, err := New(Config{QRWait: -1, BodyLimit: -2}, Deps{})
	want := "httpapi: Config.QRWait is -1ns: expected a positive duration\n" +
		"httpapi: Config.BodyLimit is -2: expected 0 or more\n" +
		"httpapi: Deps.Sessions is missing\nhttpapi: Deps.Slots is missing\nhttpapi: Deps.Links is missing\nhttpapi: Deps.Live is missing\nhttpapi: Deps.Received is missing\n" +
		"httpapi: Deps.Sender is missing\nhttpapi: Deps.Messages is missing\nhttpapi: Deps.Files is missing\nhttpapi: Deps.Chats is missing\nhttpapi: Deps.Webhooks is missing\nhttpapi: Deps.Deliveries is missing\nhttpapi: Deps.Pictures is missing\nhttpapi: Deps.Health is missing\n" +
		"httpapi: Deps.Observer is missing\nhttpapi: Deps.Metrics is missing\nhttpapi: Deps.Version is missing\nhttpapi: Deps.Log is missing"
	if err == nil || err.Error() != want {
		t.Errorf("error\n%v\nexpected\n%s", err, want)
	}
}

func TestTheHubIsAnsweredBeforeItGivesUp(t *testing.T) {
	for _, c := range []struct{ qr, hub, want time.Duration }{
		{0, 0, 25 * time.Second},
		{10 * time.Second, 0, 10 * time.Second},
		{time.Hour, 0, 25 * time.Second},
		{0, 40 * time.Second, 40 * time.Second},
	} {
		cfg, err := Config{QRWait: c.qr, HubWait: c.hub}.withDefaults()
		if err != nil || cfg.HubWait != c.want || cfg.MaxWait < max(cfg.QRWait, cfg.HubWait) {
			t.Errorf("QRWait %s, HubWait %s: %+v, %v", c.qr, c.hub, cfg, err)
		}
	}
}

func TestWhatIsWrongWithATextIsSaidOfItsField(t *testing.T) {
	t.Parallel()
	f := behind(plain("1", session.Ready, session.CauseConnected))
	r := newRig(t, Config{}, &f)
	for message, want := range map[string]string{
		strings.Repeat("y", 70_000): `"message":"message: expected at most 65536 characters, got 70000"`,
		`\ud83d half`:               `"message":"body: expected JSON in UTF-8"`,
	} {
		answer := r.do(t, "POST", "/send", `{"to":"5491155550101","message":"`+message+`"}`, jsonBody, "X-Cliente-Id: 1")
		if answer.status != 400 || !strings.Contains(answer.body, want) {
			t.Errorf("%s expected: %d %s", want, answer.status, answer.body)
		}
	}
}
