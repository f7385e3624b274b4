package signal

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestUnpadRemovesWhatPadAdds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		before := bytes.Clone(plaintext)
		padded := Pad(plaintext[:len(plaintext):len(plaintext)])
		if added := len(padded) - len(plaintext); added < 1 || added > maxPad {
			t.Fatalf("%d bytes of padding", added)
		}
		got, err := Unpad(padded)
		if err != nil || !bytes.Equal(got, before) || !bytes.Equal(plaintext, before) {
			t.Fatalf("reads %x, %v", got, err)
		}
	})
}

func TestPadLeavesTheCallersMemoryAlone(t *testing.T) {
	memory := bytes.Repeat([]byte{0xee}, 40)
	Pad(memory[:10])
	if !bytes.Equal(memory, bytes.Repeat([]byte{0xee}, 40)) {
		t.Fatal("Pad wrote behind its argument")
	}
}

func TestBadPaddingIsRefused(t *testing.T) {
	for _, padded := range [][]byte{nil, {}, {0}, {2}, {5, 5, 5, 5}, {1, 2, 3}, {9, 0}} {
		if got, err := Unpad(padded); !errors.Is(err, ErrPadding) {
			t.Errorf("%v reads %v, %v", padded, got, err)
		}
	}
}

func FuzzUnpad(f *testing.F) {
	f.Add([]byte{1})
	f.Add([]byte{'a', 2, 2})
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, padded []byte) {
		got, err := Unpad(padded)
		if err != nil {
			if !errors.Is(err, ErrPadding) || got != nil {
				t.Fatalf("%x gives %x, %v", padded, got, err)
			}
			return
		}
		count := len(padded) - len(got)
		if count < 1 || !bytes.Equal(padded, append(bytes.Clone(got), bytes.Repeat([]byte{byte(count)}, count)...)) {
			t.Fatalf("%x reads %x", padded, got)
		}
	})
}
