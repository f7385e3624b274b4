package qr

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/encoder"
	"github.com/skip2/go-qrcode"

	"wasup/httpapi/qr/qrtest"
)

// randomCode returns a code with the parts of a real one: a reference, three keys and the platform.
func randomCode(refBytes int) string {
	key := func(size int) string {
		b := make([]byte, size)
		_, _ = rand.Read(b) // it never fails
		return base64.StdEncoding.EncodeToString(b)
	}
	return "https://wa.me/settings/linked_devices#" + strings.Join([]string{"2@" + key(refBytes), key(32), key(32), key(32), "1"}, ",")
}

func TestAnIndependentDecoderReadsBackTheExactCode(t *testing.T) {
	t.Parallel()
	codes := []string{
		qrtest.Code,
		"2@older,form,with,commas,1",
		// With some masks the data of these three codes looks like a fourth corner mark.
		"https://wa.me/settings/linked_devices#2@mfwvm1Q0cRopIEvR+KGZ7u0dCoFZAK9xbOKmJUg4JcadWtoRaKYqaEi2r0i5m3aR,0RvfzFQNxbQxVeazP/UZgGgUDM1cWACYTBgKOKX/u1Q=,4ISwoV6WL6LhI34K2DPX17x+u+TusEPGK75t8K6EwBs=,a18tLC2ZM/0ePzWuF18BtiGKZX818ONofgxKWzbD3zQ=,1",
		"https://wa.me/settings/linked_devices#2@faKgh5E/L0+E859aMQZ1e/eliF8Z3+i+7Q5NwMFgYl4erX7E83qw6X3aMFuUIOLL,IRlj2JN9rg+8ajOMk/MQuuQ8b/htO5wImOLjFyUQoho=,OTgfsYU8thgMdlBYbSXi+MwHwMu3E56eW31RdJWwz/E=,REG5TjrKJuMTEr51XApS1SmLANm7MCo76n7Oeis5TVw=,1",
		"https://wa.me/settings/linked_devices#2@1rOMj2VsyybJHM1DfRewRrAG9TLpDU+JeKvTE/5lgtbXz6zTXJxkyr1BBRbE3AyJ,hsca10BrUYPIicP+igr95wNspth40igDch9Hj2xQNnk=,P9fmXL2gTjR9jigSkGEvIXDo/SVdw5mNoq4n37v8P5Y=,bpDysY6R2Rt3kH+r9pnj+LEY/9s7AE52lfeVjushIwo=,1",
	}
	for refBytes := 24; refBytes <= 72; refBytes += 4 {
		codes = append(codes, randomCode(refBytes))
	}
	for _, code := range codes {
		var b bytes.Buffer
		if err := writePNG(&b, code); err != nil {
			t.Fatal(err)
		}
		if got := qrtest.Decode(t, b.Bytes()); got != code {
			t.Errorf("decoded\n%s\nexpected\n%s", got, code)
		}
	}
}

// masks is the number of mask patterns of a symbol (ISO/IEC 18004, 7.8).
const masks = 8

// masked encodes a code at error level M with one mask, with an encoder that shares no code with the one in use.
// Version 0 means the smallest possible version.
func masked(t *testing.T, code string, mask, version int) [][]bool {
	t.Helper()
	hints := map[gozxing.EncodeHintType]any{gozxing.EncodeHintType_QR_MASK_PATTERN: mask}
	if version != 0 {
		hints[gozxing.EncodeHintType_QR_VERSION] = version
	}
	symbol, err := encoder.Encoder_encode(code, decoder.ErrorCorrectionLevel_M, hints)
	if err != nil {
		t.Fatal(err)
	}
	matrix := symbol.GetMatrix()
	modules := make([][]bool, matrix.GetHeight())
	for y := range modules {
		modules[y] = make([]bool, matrix.GetWidth())
		for x := range modules[y] {
			modules[y][x] = matrix.Get(x, y) == 1
		}
	}
	return modules
}

// likeAnothers reports whether another encoder draws the same symbol with any of the masks. The two encoders may choose
// different masks.
func likeAnothers(t *testing.T, code string, modules [][]bool, version int) bool {
	t.Helper()
	for mask := range masks {
		if reflect.DeepEqual(masked(t, code, mask, version), modules) {
			return true
		}
	}
	return false
}

func TestAnotherEncoderDrawsTheSameSymbol(t *testing.T) {
	t.Parallel()
	// The encoder in use packs a sequence more densely if that saves bits: 6 or more digits, or 11 or more capitals and
	// digits. The other encoder does not, so the test avoids such codes.
	packed := regexp.MustCompile(`[0-9]{6,}|[0-9A-Z $%*+\-./:]{11,}`)
	for range 20 {
		code := randomCode(48)
		for packed.MatchString(code) {
			code = randomCode(48)
		}
		symbol, err := qrcode.New(code, qrcode.Medium)
		if err != nil {
			t.Fatal(err)
		}
		version := symbol.VersionNumber
		if !likeAnothers(t, code, modulesOf(symbol), 0) {
			t.Errorf("under no mask like another encoder's symbol of\n%s", code)
		}
		got, err := symbolOf(code)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 17+4*version {
			version++ // the code was drawn as the next larger version
		}
		if !likeAnothers(t, code, got, version) {
			t.Errorf("what is drawn is under no mask like another encoder's symbol of\n%s", code)
		}
	}
}

// TestACodeThatADecoderDoesNotFindIsDrawnLarger uses a code whose smallest symbol looks as if it had a fourth corner
// mark.
func TestACodeThatADecoderDoesNotFindIsDrawnLarger(t *testing.T) {
	t.Parallel()
	const hidden = "https://wa.me/settings/linked_devices#2@+iRB293aOul0aywKQ8A4Ke764UXlvS6FO6Fca1HCMzGBO2/tMZIqHMrbIVPI7EP6,yGBDQG/Juoah71cFJs7KmDvHVyyYthyN3SDG0bb+NUk=,/YUfHCfK4oQbron+xDGQ+6mpUpjAxKl9pjI/XKcrWZc=,6jFyH+GBVZriKk59dACIiNehY5IMvShjmbIOLtK6DMg=,1"
	smallest, err := qrcode.New(hidden, qrcode.Medium)
	if err != nil {
		t.Fatal(err)
	}
	version := smallest.VersionNumber
	if findable(modulesOf(smallest)) {
		t.Fatal("the smallest symbol is found, so this says nothing")
	}
	modules, err := symbolOf(hidden)
	if err != nil {
		t.Fatal(err)
	}
	if want := 17 + 4*(version+1); len(modules) != want || !findable(modules) {
		t.Errorf("%d modules, expected %d that are found", len(modules), want)
	}
	url, err := DataURL(hidden)
	if err != nil {
		t.Fatal(err)
	}
	if got := qrtest.Readable(t, url); got != "<PNG of "+hidden+">" {
		t.Errorf("it reads %s", got)
	}
}

// TestThePictureIsTheSymbolPixelByPixel compares the PNG with the modules from which it was drawn.
func TestThePictureIsTheSymbolPixelByPixel(t *testing.T) {
	t.Parallel()
	modules, err := symbolOf(qrtest.Code)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writePNG(&b, qrtest.Code); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := img.(*image.Paletted); !ok || len(got.Palette) != 2 {
		t.Errorf("the picture is a %T, expected one bit a pixel", img)
	}
	side := (len(modules) + 8) * 6
	if img.Bounds() != image.Rect(0, 0, side, side) {
		t.Fatalf("the picture is %v, expected %d pixels square", img.Bounds(), side)
	}
	for y := range side {
		for x := range side {
			row, column := y/6-4, x/6-4
			dark := row >= 0 && row < len(modules) && column >= 0 && column < len(modules) && modules[row][column]
			want := color.Gray{Y: 0xff}
			if dark {
				want.Y = 0
			}
			if got := color.GrayModel.Convert(img.At(x, y)); got != want {
				t.Fatalf("the pixel at %d,%d is %v, expected %v", x, y, got, want)
			}
		}
	}
}

func TestACodeThatIsNotASCIIIsRefused(t *testing.T) {
	t.Parallel()
	if err := writePNG(&bytes.Buffer{}, "2@ñ"); err == nil {
		t.Error("it was drawn, as something else")
	}
}

func TestTheMarginIsWideAndModulesAreWhole(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := writePNG(&b, qrtest.Code); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	side := img.Bounds().Dx()
	if side != img.Bounds().Dy() || side%moduleSize != 0 {
		t.Fatalf("the picture is %v, modules are %d pixels", img.Bounds(), moduleSize)
	}
	dark := func(x, y int) bool {
		red, _, _, _ := img.At(x, y).RGBA()
		return red == 0
	}
	box := image.Rectangle{Min: image.Pt(side, side)}
	for y := range side {
		for x := range side {
			if dark(x, y) {
				box.Min.X, box.Min.Y = min(box.Min.X, x), min(box.Min.Y, y)
				box.Max.X, box.Max.Y = max(box.Max.X, x+1), max(box.Max.Y, y+1)
			}
			if dark(x, y) != dark(x-x%moduleSize, y-y%moduleSize) {
				t.Fatalf("the module at %d,%d is not of one colour", x, y)
			}
		}
	}
	margin := quietZone * moduleSize
	if want := image.Rect(margin, margin, side-margin, side-margin); box != want {
		t.Errorf("the symbol lies in %v, expected %v", box, want)
	}
}

func TestAHundredCallersOfACodeDrawItOnce(t *testing.T) {
	t.Parallel()
	var drawn atomic.Int64
	begun, proceed := make(chan struct{}), make(chan struct{})
	cache := NewCache(8, func(code string) (string, error) {
		if drawn.Add(1) == 1 {
			close(begun)
		}
		<-proceed
		return DataURL(code)
	})
	urls := make([]string, 100)
	var wg sync.WaitGroup
	for i := range urls {
		wg.Go(func() {
			url, err := cache.Get(qrtest.Code)
			if err != nil {
				t.Error(err)
			}
			urls[i] = url
		})
	}
	<-begun
	close(proceed)
	wg.Wait()
	if n := drawn.Load(); n != 1 {
		t.Errorf("drawn %d times", n)
	}
	if qrtest.Readable(t, urls[0]) != "<PNG of CODE>" {
		t.Fatalf("a caller got %.60s", urls[0])
	}
	for _, url := range urls {
		if url != urls[0] {
			t.Fatal("callers got different pictures")
		}
	}
}

func TestTheCacheForgetsTheOldestCode(t *testing.T) {
	t.Parallel()
	drawn := make(map[string]int)
	cache := NewCache(3, func(code string) (string, error) {
		drawn[code]++
		return "picture of " + code, nil
	})
	for _, code := range []string{"a", "b", "c", "a", "d", "b", "c", "d", "a"} {
		if url, err := cache.Get(code); err != nil || url != "picture of "+code {
			t.Fatalf("%s: %q, %v", code, url, err)
		}
	}
	if want := "map[a:2 b:1 c:1 d:1]"; fmt.Sprint(drawn) != want {
		t.Errorf("drawn %v, expected %s", drawn, want)
	}
	if cache.entries.Len() != 3 {
		t.Errorf("%d codes are kept, expected 3", cache.entries.Len())
	}
}

func TestACodeThatCannotBeDrawnIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := NewCache(3, DataURL).Get(strings.Repeat("x", 5000)); err == nil {
		t.Error("a code that fits no QR was drawn")
	}
	failure := errors.New("no")
	cache := NewCache(3, func(code string) (string, error) {
		if code == "panic" {
			panic("bug")
		}
		return "", failure
	})
	for range 2 {
		if url, err := cache.Get("panic"); err == nil || url != "" {
			t.Errorf("a panic gives %q, %v", url, err)
		}
		if _, err := cache.Get("error"); !errors.Is(err, failure) {
			t.Errorf("an error gives %v", err)
		}
	}
}
