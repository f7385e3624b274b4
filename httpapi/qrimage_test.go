package httpapi

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skip2/go-qrcode"
)

// randomCode has the parts of a real one: a reference, three keys and the platform.
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
		testCode,
		"2@older,form,with,commas,1",
		// Under some masks these three have a fourth corner mark in their data.
		"https://wa.me/settings/linked_devices#2@mfwvm1Q0cRopIEvR+KGZ7u0dCoFZAK9xbOKmJUg4JcadWtoRaKYqaEi2r0i5m3aR,0RvfzFQNxbQxVeazP/UZgGgUDM1cWACYTBgKOKX/u1Q=,4ISwoV6WL6LhI34K2DPX17x+u+TusEPGK75t8K6EwBs=,a18tLC2ZM/0ePzWuF18BtiGKZX818ONofgxKWzbD3zQ=,1",
		"https://wa.me/settings/linked_devices#2@faKgh5E/L0+E859aMQZ1e/eliF8Z3+i+7Q5NwMFgYl4erX7E83qw6X3aMFuUIOLL,IRlj2JN9rg+8ajOMk/MQuuQ8b/htO5wImOLjFyUQoho=,OTgfsYU8thgMdlBYbSXi+MwHwMu3E56eW31RdJWwz/E=,REG5TjrKJuMTEr51XApS1SmLANm7MCo76n7Oeis5TVw=,1",
		"https://wa.me/settings/linked_devices#2@1rOMj2VsyybJHM1DfRewRrAG9TLpDU+JeKvTE/5lgtbXz6zTXJxkyr1BBRbE3AyJ,hsca10BrUYPIicP+igr95wNspth40igDch9Hj2xQNnk=,P9fmXL2gTjR9jigSkGEvIXDo/SVdw5mNoq4n37v8P5Y=,bpDysY6R2Rt3kH+r9pnj+LEY/9s7AE52lfeVjushIwo=,1",
	}
	for refBytes := 24; refBytes <= 72; refBytes += 4 {
		codes = append(codes, randomCode(refBytes))
	}
	for _, code := range codes {
		var b bytes.Buffer
		if err := drawPNG(&b, code); err != nil {
			t.Fatal(err)
		}
		if got := decodePNG(t, b.Bytes()); got != code {
			t.Errorf("decoded\n%s\nexpected\n%s", got, code)
		}
	}
}

// TestAnotherEncoderDrawsTheSameSymbol holds against an encoder that shares no code with ours or with the decoder above.
// It chooses the mask by itself, so its symbol must be ours under one of them.
func TestAnotherEncoderDrawsTheSameSymbol(t *testing.T) {
	t.Parallel()
	// The other encoder packs a run of capitals and digits tighter where that saves bits, which takes 15 of them.
	packed := regexp.MustCompile(`[0-9A-Z $%*+\-./:]{12,}`)
	for range 20 {
		code := randomCode(48)
		for packed.MatchString(code) {
			code = randomCode(48)
		}
		other, err := qrcode.New(code, qrcode.Medium)
		if err != nil {
			t.Fatal(err)
		}
		other.DisableBorder = true
		want, same := other.Bitmap(), false
		for mask := range masks {
			got, err := masked(code, mask)
			if err != nil {
				t.Fatal(err)
			}
			same = same || reflect.DeepEqual(got, want)
		}
		if !same {
			t.Errorf("under no mask like another encoder's symbol of\n%s", code)
		}
	}
}

func TestACodeThatIsNotASCIIIsRefused(t *testing.T) {
	t.Parallel()
	if err := drawPNG(&bytes.Buffer{}, "2@ñ"); err == nil {
		t.Error("it was drawn, as something else")
	}
}

func TestTheMarginIsWideAndModulesAreWhole(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := drawPNG(&b, testCode); err != nil {
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
	cache := newImageCache(8, func(code string) (string, error) {
		if drawn.Add(1) == 1 {
			close(begun)
		}
		<-proceed
		return drawDataURL(code)
	})
	urls := make([]string, 100)
	var wg sync.WaitGroup
	for i := range urls {
		wg.Go(func() {
			url, err := cache.dataURL(testCode)
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
	if readable(t, urls[0]) != "<PNG of CODE>" {
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
	cache := newImageCache(3, func(code string) (string, error) {
		drawn[code]++
		return "picture of " + code, nil
	})
	for _, code := range []string{"a", "b", "c", "a", "d", "b", "c", "d", "a"} {
		if url, err := cache.dataURL(code); err != nil || url != "picture of "+code {
			t.Fatalf("%s: %q, %v", code, url, err)
		}
	}
	if want := "map[a:2 b:1 c:1 d:1]"; fmt.Sprint(drawn) != want {
		t.Errorf("drawn %v, expected %s", drawn, want)
	}
	if len(cache.entries) != 3 {
		t.Errorf("%d codes are kept, expected 3", len(cache.entries))
	}
}

func TestACodeThatCannotBeDrawnIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := newImageCache(3, drawDataURL).dataURL(strings.Repeat("x", 5000)); err == nil {
		t.Error("a code that fits no QR was drawn")
	}
	failure := errors.New("no")
	cache := newImageCache(3, func(code string) (string, error) {
		if code == "panic" {
			panic("bug")
		}
		return "", failure
	})
	for range 2 {
		if url, err := cache.dataURL("panic"); err == nil || url != "" {
			t.Errorf("a panic gives %q, %v", url, err)
		}
		if _, err := cache.dataURL("error"); !errors.Is(err, failure) {
			t.Errorf("an error gives %v", err)
		}
	}
}
