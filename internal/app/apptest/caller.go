package apptest

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

// Caller calls the app's HTTP API as the hub and the frontend do.
type Caller struct {
	TB   testing.TB
	Base string
	HTTP *http.Client
}

func NewCaller(t testing.TB, base string) Caller {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 200}
	c := Caller{TB: t, Base: base, HTTP: &http.Client{Transport: transport}}
	t.Cleanup(transport.CloseIdleConnections)
	return c
}

func (c Caller) Idle() { c.HTTP.CloseIdleConnections() }

// Answer is one HTTP answer and the fields that tests look at.
type Answer struct {
	t      testing.TB
	What   string
	Status int
	Header http.Header
	Body   []byte
	Fields map[string]any
}

func (c Caller) Get(path string, client int64) Answer {
	c.TB.Helper()
	return c.Must(c.Try(context.Background(), http.MethodGet, path, client, "", nil))
}

func (c Caller) Post(path string, client int64, body string, header ...string) Answer {
	c.TB.Helper()
	return c.Must(c.Try(context.Background(), http.MethodPost, path, client, body, header))
}

func (c Caller) Send(client int64, to, text string, header ...string) Answer {
	c.TB.Helper()
	return c.Post("/send", client, `{"to":`+strconv.Quote(to)+`,"message":`+strconv.Quote(text)+`}`, header...)
}

func (c Caller) Must(a Answer, err error) Answer {
	c.TB.Helper()
	if err != nil {
		c.TB.Fatal(err)
	}
	return a
}

// Try makes one request. It is safe for concurrent use. header alternates names and values.
func (c Caller) Try(ctx context.Context, method, path string, client int64, body string, header []string) (Answer, error) {
	a := Answer{t: c.TB, What: method + " " + path}
	request, err := http.NewRequestWithContext(ctx, method, c.Base+path, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	request.Header.Set("X-Cliente-Id", strconv.FormatInt(client, 10))
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.Status, a.Header = response.StatusCode, response.Header
	if a.Body, err = io.ReadAll(response.Body); err != nil {
		return a, err
	}
	_ = json.Unmarshal(a.Body, &a.Fields) // the answer of /metrics is not JSON
	return a, nil
}

// Is checks the status.
func (a Answer) Is(status int) Answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s answered %d, want %d: %s", a.What, a.Status, status, a.Body)
	}
	return a
}

// With checks fields. The arguments alternate names and values.
func (a Answer) With(fields ...any) Answer {
	a.t.Helper()
	for i := 0; i+1 < len(fields); i += 2 {
		want := fields[i+1]
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if got := a.Fields[fields[i].(string)]; got != want {
			a.t.Fatalf("%s answered %s=%v, want %v: %s", a.What, fields[i], got, want, a.Body)
		}
	}
	return a
}

func (a Answer) Text(field string) string {
	a.t.Helper()
	text, ok := a.Fields[field].(string)
	if !ok {
		a.t.Fatalf("%s has no text %s: %s", a.What, field, a.Body)
	}
	return text
}

// Code returns the code in the answer's picture, as a scanner reads it.
func (a Answer) Code() string {
	a.t.Helper()
	code, err := a.decode()
	if err != nil {
		a.t.Fatalf("%s: %v", a.What, err)
	}
	return code
}

// decode reads the picture with a decoder that shares no code with the encoder that drew it.
func (a Answer) decode() (string, error) {
	url, _ := a.Fields["qr"].(string)
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
	// Neither hint reads all codes: some need PURE_BARCODE, some TRY_HARDER.
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

// Ask makes a request in a goroutine.
func (c Caller) Ask(method, path string, client int64, body string) <-chan Answer {
	given := make(chan Answer, 1)
	go func() {
		a, err := c.Try(context.Background(), method, path, client, body, nil)
		if err != nil {
			c.TB.Errorf("%s %s: %v", method, path, err)
		}
		given <- a
	}()
	return given
}
