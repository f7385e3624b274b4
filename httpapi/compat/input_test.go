package compat

import (
	"strconv"
	"testing"

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
