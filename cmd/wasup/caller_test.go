package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"image/png"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// caller speaks to the app as the hub and the frontend do.
type caller struct {
	tb   testing.TB
	base string
	http *http.Client
}

func newCaller(t testing.TB, base string) caller {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 200}
	c := caller{tb: t, base: base, http: &http.Client{Transport: transport}}
	t.Cleanup(transport.CloseIdleConnections)
	return c
}

func (c caller) idle() { c.http.CloseIdleConnections() }

// answer is one HTTP answer and the fields that tests look at.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
	fields map[string]any
}

func (c caller) get(path string, client int64) answer {
	c.tb.Helper()
	return c.must(c.try(context.Background(), http.MethodGet, path, client, "", nil))
}

func (c caller) post(path string, client int64, body string, header ...string) answer {
	c.tb.Helper()
	return c.must(c.try(context.Background(), http.MethodPost, path, client, body, header))
}

func (c caller) send(client int64, to, text string, header ...string) answer {
	c.tb.Helper()
	return c.post("/send", client, `{"to":`+strconv.Quote(to)+`,"message":`+strconv.Quote(text)+`}`, header...)
}

func (c caller) must(a answer, err error) answer {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatal(err)
	}
	return a
}

// try makes one request. It may be called from any goroutine. header is names and values in turn.
func (c caller) try(ctx context.Context, method, path string, client int64, body string, header []string) (answer, error) {
	a := answer{t: c.tb, what: method + " " + path}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	request.Header.Set("X-Cliente-Id", strconv.FormatInt(client, 10))
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.status, a.header = response.StatusCode, response.Header
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return a, err
	}
	_ = json.Unmarshal(a.body, &a.fields) // /metrics is no JSON
	return a, nil
}

// is checks the status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s answered %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// with checks fields, given as names and values in turn.
func (a answer) with(fields ...any) answer {
	a.t.Helper()
	for i := 0; i+1 < len(fields); i += 2 {
		want := fields[i+1]
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if got := a.fields[fields[i].(string)]; got != want {
			a.t.Fatalf("%s answered %s=%v, want %v: %s", a.what, fields[i], got, want, a.body)
		}
	}
	return a
}

func (a answer) text(field string) string {
	a.t.Helper()
	text, ok := a.fields[field].(string)
	if !ok {
		a.t.Fatalf("%s has no text %s: %s", a.what, field, a.body)
	}
	return text
}

// code is what a scanner reads in the answer's picture.
func (a answer) code() string {
	a.t.Helper()
	code, err := a.decode()
	if err != nil {
		a.t.Fatalf("%s: %v", a.what, err)
	}
	return code
}

// decode reads the picture with a decoder that shares no code with what drew it.
func (a answer) decode() (string, error) {
	url, _ := a.fields["qr"].(string)
	encoded, ok := strings.CutPrefix(url, "data:image/png;base64,")
	if !ok {
		return "", errNoPicture
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", err
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	// Some codes are read only as a photograph and some only as a drawing: the decoder's guesses differ.
	luminance := gozxing.NewLuminanceSourceFromImage(picture)
	for _, hint := range []gozxing.DecodeHintType{gozxing.DecodeHintType_PURE_BARCODE, gozxing.DecodeHintType_TRY_HARDER} {
		var bitmap *gozxing.BinaryBitmap
		if bitmap, err = gozxing.NewBinaryBitmap(gozxing.NewHybridBinarizer(luminance)); err != nil {
			return "", err
		}
		var read *gozxing.Result
		if read, err = qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{hint: true}); err == nil {
			return read.GetText(), nil
		}
	}
	return "", err
}
