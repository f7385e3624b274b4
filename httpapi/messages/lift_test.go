package messages

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gofiber/fiber/v2"
	"pgregory.net/rapid"

	"wasup/httpapi/rest"
)

// lifted returns the rest of a body, and the file that was taken out of it, nil if there was none.
func lifted(body string, limit int) (left string, file []byte, err error) {
	l := &lifter{in: bufio.NewReaderSize(iotest.HalfReader(strings.NewReader(body)), 16), limit: limit}
	l.take = func(r io.Reader) error {
		source := &errorRecorder{from: r}
		content, err := io.ReadAll(source)
		file = content
		if refused := source.refusalOf("media.base64"); refused != nil {
			return refused
		}
		return err
	}
	out, err := l.lift()
	return string(out), file, err
}

func TestAFileInBase64IsTakenOutOfTheBodyWhateverIsAroundIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "file")
		text := rapid.String().Draw(t, "text")
		encoding := rapid.SampledFrom([]*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding}).Draw(t, "encoding")
		encoded := encoding.EncodeToString(want)
		if rapid.Bool().Draw(t, "in lines") {
			encoded = strings.Join(strings.SplitAfter(encoded, "A"), "\r\n")
		}
		if rapid.Bool().Draw(t, "data URL") {
			encoded = "data:text/plain;charset=utf-8;base64," + encoded
		}
		quoted, err := json.Marshal(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "escaped as others do") {
			quoted = []byte(strings.NewReplacer("/", `\/`, "+", `\u002B`).Replace(string(quoted)))
		}
		other, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		body := `{"text":` + string(other) + `,"quote":{"base64":"left"},"media":{"name":` + string(other) + `, "base64" : ` + string(quoted) + `,"x":[{"base64":"left"}]},"base64":"left"}`
		left, file, err := lifted(body, 1<<20)
		if err != nil || !bytes.Equal(file, want) {
			t.Fatalf("%x, expected %x; %v\n%s", file, want, err, body)
		}
		if expected := strings.Replace(body, string(quoted), `""`, 1); left != expected {
			t.Fatalf("left\n%s\nexpected\n%s", left, expected)
		}
	})
}

func TestWhatIsNoFileIsLeftWhereItIs(t *testing.T) {
	for _, body := range []string{
		`{"media":{"base64":""}}`, `{"media":{"base64":null}}`, `{"media":["base64","QUJD"]}`, `["media",{"base64":"QUJD"}]`,
		`{"media":{"a":{"base64":"QUJD"}}}`, `{"media":"base64","x":"QUJD"}`, `{"a":{"media":{"base64":"QUJD"}}}`, `"media"`, ``, `{`, `}}}{"media"`,
		`{"MEDIA":{"base64":"QUJD"}}`, `{"media":{"Base64":"QUJD"}}`,
	} {
		if left, file, err := lifted(body, 1000); left != body || file != nil || err != nil {
			t.Errorf("%s: left %s, took %q, %v", body, left, file, err)
		}
	}
}

func TestAFileThatIsNoBase64IsRefusedByItsField(t *testing.T) {
	for value, field := range map[string]string{
		`"QUJ!"`:                "media.base64",
		`"QUJDR"`:               "media.base64",
		`"QUI=QUI="`:            "media.base64",
		`"QUI==="`:              "media.base64",
		`"QUé"`:                 "media.base64",
		`"QU\u00e9"`:            "media.base64",
		`"QU\q"`:                "media.base64",
		`"data:image/png,QUJD"`: "media.base64",
		`"data:` + strings.Repeat("x", 5000) + `,"`: "media.base64",
		`"QUJD","base64":"QUJD"`:                    "media.base64",
	} {
		_, _, err := lifted(`{"media":{"base64":`+value+`}}`, 1000)
		var p *rest.Problem
		if !errors.As(err, &p) || p.Status != 400 || p.Field != field {
			t.Errorf("%.60s: %v", value, err)
		}
	}
}

func TestAFileWithoutAnEndIsABrokenBody(t *testing.T) {
	for _, body := range []string{`{"media":{"base64":"QUJD`, `{"media":{"base64":"QUJD\u00`, `{"media":{"base64":`, `{"media":{"base64":"`, `{"text":"x`, `{"text":"x\`} {
		left, _, err := lifted(body, 1000)
		var p *rest.Problem
		if errors.As(err, &p) && p.Field == "body" {
			continue
		}
		if err != nil || rest.StrictJSON([]byte(left)) == nil {
			t.Errorf("%s: %v, left %s", body, err, left)
		}
	}
}

func TestWhatIsLeftOfABodyIsBounded(t *testing.T) {
	big := `{"media":{"base64":"` + strings.Repeat("QUJD", 5000) + `"},"text":"` + strings.Repeat("x", 80) + `"}`
	if _, file, err := lifted(big, 200); err != nil || len(file) != 15_000 {
		t.Errorf("%d bytes, %v", len(file), err)
	}
	if _, _, err := lifted(big, 100); !errors.Is(err, fiber.ErrRequestEntityTooLarge) {
		t.Errorf("%v", err)
	}
	if _, _, err := lifted(strings.Repeat(" ", 101), 100); !errors.Is(err, fiber.ErrRequestEntityTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestAKeyThatIsEscapedIsTheSameKey(t *testing.T) {
	_, file, err := lifted(`{"m\u0065dia":{"b\u0061se64":"QUJD"}}`, 1000)
	if err != nil || string(file) != "ABC" {
		t.Errorf("%q, %v", file, err)
	}
}
