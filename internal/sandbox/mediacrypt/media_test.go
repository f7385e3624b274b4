package mediacrypt

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waMmsRetry"
	"go.mau.fi/whatsmeow/types/events"
	"go.mau.fi/whatsmeow/util/cbcutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// sealedByWhatsmeow encrypts a file as whatsmeow's Upload does (upload.go), built from whatsmeow's own parts.
func sealedByWhatsmeow(t testing.TB, key, plain []byte, kind Type) []byte {
	t.Helper()
	expanded := hkdfutil.SHA256(key, nil, []byte(kind), 112)
	iv, cipherKey, macKey := expanded[:16], expanded[16:48], expanded[48:80]
	ciphertext, err := cbcutil.Encrypt(cipherKey, iv, bytes.Clone(plain))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, macKey)
	mac.Write(iv)
	mac.Write(ciphertext)
	return append(ciphertext, mac.Sum(nil)[:10]...)
}

func TestAFileIsSealedByteForByteAsWhatsmeowDoes(t *testing.T) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	for _, kind := range []Type{Image, Video, Audio, Document, History, AppState, LinkThumbnail} {
		for _, size := range []int{0, 1, 15, 16, 17, 4096, 100_003} {
			plain := make([]byte, size)
			_, _ = rand.Read(plain)
			sealed, err := SealWith(key, plain, kind)
			if err != nil {
				t.Fatal(err)
			}
			if want := sealedByWhatsmeow(t, key, plain, kind); !bytes.Equal(sealed.File, want) {
				t.Fatalf("%s of %d bytes differs", kind, size)
			}
			opened, err := Open(sealed, kind)
			if err != nil || !bytes.Equal(opened, plain) {
				t.Fatalf("%s of %d bytes opened with %v", kind, size, err)
			}
		}
	}
}

func TestAChangedFileDoesNotOpen(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(r, "plain")
		sealed, err := Seal(plain, Image)
		if err != nil {
			r.Fatal(err)
		}
		at := rapid.IntRange(0, len(sealed.File)-1).Draw(r, "at")
		changed := sealed
		changed.File = bytes.Clone(sealed.File)
		changed.File[at] ^= 1 << rapid.IntRange(0, 7).Draw(r, "bit")
		if _, err = Open(changed, Image); !errors.Is(err, ErrSealed) {
			r.Fatalf("opened with %v", err)
		}
		// The hash is right for the changed file now, so the MAC has to fail.
		sum := sha256.Sum256(changed.File)
		changed.SealedSHA256 = sum[:]
		if _, err = Open(changed, Image); !errors.Is(err, ErrSealed) {
			r.Fatalf("opened with %v", err)
		}
		if _, err = Open(sealed, Video); !errors.Is(err, ErrSealed) {
			r.Fatalf("opened as another type with %v", err)
		}
		wrong := sealed
		wrong.PlainSHA256 = sum[:]
		if _, err = Open(wrong, Image); !errors.Is(err, ErrPlain) {
			r.Fatalf("opened to another file with %v", err)
		}
	})
}

func TestFilesAndKeysOfAWrongSizeAreRefused(t *testing.T) {
	for _, size := range []int{0, 1, 10, 11, 25} {
		if _, err := Open(Sealed{File: make([]byte, size), Key: make([]byte, keySize)}, Audio); !errors.Is(err, ErrSealed) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := SealWith(make([]byte, 31), nil, Audio); err == nil {
		t.Error("a short key was taken")
	}
}

func TestWhatsmeowAsksForAFileAndReadsTheAnswer(t *testing.T) {
	key := bytes.Repeat([]byte{7}, keySize)
	plain, err := proto.Marshal(&waMmsRetry.MediaRetryNotification{StanzaID: proto.String("3A01"), Result: waMmsRetry.MediaRetryNotification_SUCCESS.Enum()})
	if err != nil {
		t.Fatal(err)
	}
	iv, sealed, err := SealRetry(key, "3A01", plain)
	if err != nil {
		t.Fatal(err)
	}
	got, err := whatsmeow.DecryptMediaRetryNotification(&events.MediaRetry{MessageID: "3A01", IV: iv, Ciphertext: sealed}, key)
	if err != nil || got.GetResult() != waMmsRetry.MediaRetryNotification_SUCCESS {
		t.Fatalf("%v, %v", got, err)
	}
	if back, err := OpenRetry(key, "3A01", iv, sealed); err != nil || !bytes.Equal(back, plain) {
		t.Fatalf("%v, %v", back, err)
	}
	for what, err := range map[string]error{
		"another message": second(OpenRetry(key, "3A02", iv, sealed)),
		"another key":     second(OpenRetry(make([]byte, keySize), "3A01", iv, sealed)),
		"no iv":           second(OpenRetry(key, "3A01", nil, sealed)),
		"nothing":         second(OpenRetry(key, "3A01", iv, nil)),
	} {
		if !errors.Is(err, ErrRetry) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
