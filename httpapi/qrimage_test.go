package httpapi

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

func key(t *rapid.T, name string, size int) string {
	return base64.StdEncoding.EncodeToString(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, name))
}

func TestAnIndependentDecoderReadsBackTheExactCode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		prefix := rapid.SampledFrom([]string{"https://wa.me/settings/linked_devices#", ""}).Draw(r, "prefix")
		ref := "2@" + key(r, "ref", rapid.IntRange(24, 72).Draw(r, "length"))
		code := prefix + strings.Join([]string{ref, key(r, "noise", 32), key(r, "identity", 32), key(r, "adv", 32), "1"}, ",")
		var b bytes.Buffer
		if err := drawPNG(&b, code); err != nil {
			r.Fatal(err)
		}
		if got := decodePNG(t, b.Bytes()); got != code {
			r.Fatalf("decoded\n%s\nexpected\n%s", got, code)
		}
	})
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
	for _, url := range urls {
		if readable(t, url) != "<PNG of CODE>" {
			t.Fatalf("a caller got %.60s", url)
		}
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
