package signal

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"google.golang.org/protobuf/proto"
)

var linkedAt = time.Unix(1790000000, 0)

func TestTheCodeThatWhatsmeowShowsIsRead(t *testing.T) {
	client := newCompanion(t)
	older, _ := strings.CutPrefix(client.code(), linkURL)
	older = older[:strings.LastIndexByte(older, ',')]
	for name, test := range map[string]struct{ code, platform string }{
		"present form": {client.code(), "1"},
		"older form":   {older, ""},
		"pasted":       {" \n" + client.code() + "\r\n", "1"},
	} {
		code, err := ParseLinkCode(test.code)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		device := client.client.Store
		if code.Ref != "2@ref/with+base64==" || code.NoisePublic != *device.NoiseKey.Pub ||
			code.IdentityPublic != *device.IdentityKey.Pub || !slices.Equal(code.ADVSecret, device.AdvSecretKey) {
			t.Errorf("%s: reads %+v", name, code)
		}
		if code.Platform != test.platform {
			t.Errorf("%s: client type %q", name, code.Platform)
		}
	}
}

func TestTheErrorOfABadCodeNamesThePart(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	short := base64.StdEncoding.EncodeToString(make([]byte, 31))
	long := base64.StdEncoding.EncodeToString(make([]byte, 33))
	join := func(parts ...string) string { return strings.Join(parts, ",") }
	for _, test := range []struct{ code, part string }{
		{"", "code"},
		{"   ", "code"},
		{strings.Repeat("x", maxLinkCode+1), "code"},
		{"hello", "code"},
		{"https://example.com/#" + join("r", key, key, key, "1"), "code"},
		{"http://wa.me/settings/linked_devices#" + join("r", key, key, key, "1"), "code"},
		{linkURL, "code"},
		{join("r", key, key), "code"},
		{join("r", key, key, key, "1", "2"), "code"},
		{join("", key, key, key), "ref"},
		{join("r r", key, key, key), "code"},
		{join("r\u00e9", key, key, key), "code"},
		{join("r", key[:20]+"\n"+key[20:], key, key), "code"},
		{join("r", short, key, key), "noise key"},
		{join("r", "*", key, key), "noise key"},
		{join("r", key, long, key), "identity key"},
		{join("r", key, key, ""), "adv secret"},
		{linkURL + join("r", key, key, key, ""), "client type"},
		{linkURL + join("r", key, key, key, "12"), "client type"},
	} {
		_, err := ParseLinkCode(test.code)
		var bad *LinkCodeError
		if !errors.As(err, &bad) || !errors.Is(err, ErrLinkCode) {
			t.Errorf("%.60q gives %v", test.code, err)
			continue
		}
		if bad.Part != test.part || bad.Want == "" {
			t.Errorf("%.60q blames %s, expected %s", test.code, bad.Part, test.part)
		}
	}
}

func TestWhatsmeowAcceptsTheLinkAndItsAnswerVerifies(t *testing.T) {
	phone, client, code, answer := link(t)
	must(t, phone.VerifyLink(code, answer(nil)))

	account := client.client.Store.Account
	if got := account.GetAccountSignatureKey(); !slices.Equal(got, publicOf(phone)) {
		t.Error("the companion keeps another account key")
	}
	var details waAdv.ADVDeviceIdentity
	must(t, proto.Unmarshal(account.GetDetails(), &details))
	if details.GetKeyIndex() != 3 || details.GetRawID() != 77 || details.GetTimestamp() != uint64(linkedAt.Unix()) {
		t.Errorf("the details are %v", &details)
	}
}

func TestWhatsmeowRefusesALinkThatIsNotForIt(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*LinkCode)
		want   error
	}{
		"another adv secret":   {func(c *LinkCode) { c.ADVSecret = make([]byte, 32) }, whatsmeow.ErrPairInvalidDeviceIdentityHMAC},
		"another identity key": {func(c *LinkCode) { c.IdentityPublic[0] ^= 1 }, whatsmeow.ErrPairInvalidDeviceSignature},
	} {
		phone, client := newDevice(t), newCompanion(t)
		code, err := ParseLinkCode(client.code())
		must(t, err)
		test.change(&code)
		signed, err := phone.SignLink(code, 1, 1, linkedAt)
		must(t, err)
		if err := client.pair(t.Context(), signed); !errors.Is(err, test.want) {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

func TestAnAnswerThatWasChangedIsRefused(t *testing.T) {
	phone, _, code, answer := link(t)
	other := newDevice(t)
	for name, change := range map[string]func(*waAdv.ADVSignedDeviceIdentity){
		"details":             func(i *waAdv.ADVSignedDeviceIdentity) { i.Details[0] ^= 1 },
		"accountSignature":    func(i *waAdv.ADVSignedDeviceIdentity) { i.AccountSignature[0] ^= 1 },
		"accountSignatureKey": func(i *waAdv.ADVSignedDeviceIdentity) { i.AccountSignatureKey = publicOf(other) },
		"deviceSignature":     func(i *waAdv.ADVSignedDeviceIdentity) { i.DeviceSignature[0] ^= 1 },
		"no deviceSignature":  func(i *waAdv.ADVSignedDeviceIdentity) { i.DeviceSignature = nil },
		"nothing":             func(i *waAdv.ADVSignedDeviceIdentity) { proto.Reset(i) },
	} {
		if err := phone.VerifyLink(code, answer(change)); !errors.Is(err, ErrLinkSignature) {
			t.Errorf("an answer with changed %s gives %v", name, err)
		}
	}
	if err := phone.VerifyLink(code, []byte{0xff}); !errors.Is(err, ErrLinkSignature) {
		t.Errorf("bytes that are no message give %v", err)
	}
	if err := other.VerifyLink(code, answer(nil)); !errors.Is(err, ErrLinkSignature) {
		t.Errorf("another account gives %v", err)
	}
	code.IdentityPublic[1] ^= 1
	if err := phone.VerifyLink(code, answer(nil)); !errors.Is(err, ErrLinkSignature) {
		t.Errorf("another companion gives %v", err)
	}
}

func TestThePrefixesAreThoseOfWhatsmeow(t *testing.T) {
	if !slices.Equal(accountSignaturePrefix[:], whatsmeow.AdvAccountSignaturePrefix) ||
		!slices.Equal(deviceSignaturePrefix[:], whatsmeow.AdvDeviceSignaturePrefix) {
		t.Fatal("the prefixes differ")
	}
}

func TestALinkWithoutASecretIsNotSigned(t *testing.T) {
	if _, err := newDevice(t).SignLink(LinkCode{Ref: "r"}, 1, 1, linkedAt); !errors.Is(err, ErrLinkCode) {
		t.Fatalf("gives %v", err)
	}
}

func FuzzParseLinkCode(f *testing.F) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	f.Add(linkURL + "2@abc," + key + "," + key + "," + key + ",1")
	f.Add("2@abc," + key + "," + key + "," + key)
	f.Add(linkURL)
	f.Add(",,,")
	f.Fuzz(func(t *testing.T, s string) {
		code, err := ParseLinkCode(s)
		if err != nil {
			var bad *LinkCodeError
			if !errors.As(err, &bad) {
				t.Fatalf("%q gives an error of another type: %v", s, err)
			}
			return
		}
		// A code that was parsed and written again in the present form parses to the same value.
		encode := base64.StdEncoding.EncodeToString
		parts := []string{code.Ref, encode(code.NoisePublic[:]), encode(code.IdentityPublic[:]), encode(code.ADVSecret)}
		if code.Platform != "" {
			parts = append(parts, code.Platform)
		}
		again := strings.Join(parts, ",")
		if trimmed, _ := strings.CutPrefix(strings.TrimSpace(s), linkURL); trimmed != again {
			t.Fatalf("%q was read as %q", s, again)
		}
	})
}

// link pairs a companion with a phone. It also returns a function that gives the companion's answer, changed by its
// argument.
func link(t *testing.T) (*Device, companion, LinkCode, func(func(*waAdv.ADVSignedDeviceIdentity)) []byte) {
	t.Helper()
	phone, client := newDevice(t), newCompanion(t)
	code, err := ParseLinkCode(client.code())
	must(t, err)
	signed, err := phone.SignLink(code, 3, 77, linkedAt)
	must(t, err)
	if err := client.pair(t.Context(), signed); !errors.Is(err, whatsmeow.ErrNotConnected) {
		t.Fatalf("the companion should only fail to send its answer: %v", err)
	}
	account := client.client.Store.Account
	return phone, client, code, func(change func(*waAdv.ADVSignedDeviceIdentity)) []byte {
		identity := proto.Clone(account).(*waAdv.ADVSignedDeviceIdentity)
		identity.AccountSignatureKey = nil
		if change != nil {
			change(identity)
		}
		raw, err := proto.Marshal(identity)
		must(t, err)
		return raw
	}
}

func publicOf(d *Device) []byte {
	key := d.IdentityPublic()
	return key[:]
}
