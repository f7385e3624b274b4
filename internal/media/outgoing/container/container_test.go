package container_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wasup/internal/media/outgoing/container"
)

// The files of testdata are by ffmpeg 4.1: three seconds of a film of 64 by 36 pixels, or of a tone.
func file(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func read(content []byte) container.Facts {
	return container.Read(bytes.NewReader(content), int64(len(content)))
}

func TestFilesOfEncodersAreRead(t *testing.T) {
	film := container.Facts{Film: true, Width: 64, Height: 36}
	both := container.Facts{Film: true, Sound: true, Width: 64, Height: 36}
	sound := container.Facts{Sound: true}
	with := func(facts container.Facts, codec string) container.Facts { facts.Codec = codec; return facts }
	turned := with(both, "avc1")
	turned.Width, turned.Height = 36, 64
	for name, want := range map[string]container.Facts{
		"film.mp4": with(both, "avc1"), "turned.mp4": turned, "fragments.mp4": with(both, "avc1"), "film.mov": with(film, "avc1"), "hevc.mp4": with(film, "hvc1"),
		"film.mkv": with(both, "V_MPEG4/ISO/AVC"), "film.webm": with(film, "V_VP8"), "film.avi": film,
		"sound.mp4": sound, "sound.m4a": sound, "sound.webm": sound, "recorded.webm": sound, "constant.mp3": sound, "variable.mp3": sound, "sound.aac": sound,
		"sound.amr": sound, "sound.ogg": sound, "sound.flac": sound, "sound.wav": sound,
	} {
		got := read(file(t, name))
		if got.Seconds() != 3 || got.Duration < 2500*time.Millisecond || got.Duration > 3500*time.Millisecond {
			t.Errorf("%s plays %v, want 3s", name, got.Duration)
		}
		got.Duration = 0
		if got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestAFileThatBreaksOffIsReadAsFarAsItGoes(t *testing.T) {
	for _, name := range []string{"film.mp4", "film.webm", "recorded.webm", "constant.mp3", "film.avi", "sound.wav", "sound.ogg", "sound.aac"} {
		whole := file(t, name)
		for size := 0; size < len(whole); size += 7 {
			if got := read(whole[:size]); got.Seconds() > 4 || got.Width > 64 {
				t.Fatalf("%d bytes of %s: %+v", size, name, got)
			}
		}
	}
	cut := file(t, "constant.mp3")
	if got := read(cut[:len(cut)/2]); got.Seconds() != 2 {
		t.Errorf("half of a sound plays %v", got.Duration)
	}
}

// boxOf is one box of an MP4.
func boxOf(kind string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

func TestTheCoverOfAnAlbumIsFound(t *testing.T) {
	picture := []byte("\xff\xd8\xff\xe0 a picture")
	data := boxOf("data", []byte{0, 0, 0, 13, 0, 0, 0, 0}, picture)
	for name, meta := range map[string][]byte{
		"MP4":       boxOf("meta", make([]byte, 4), boxOf("ilst", boxOf("covr", data))),
		"QuickTime": boxOf("meta", boxOf("ilst", boxOf("covr", data))),
	} {
		got := read(append(boxOf("ftyp", []byte("M4A \x00\x00\x00\x00")), boxOf("moov", boxOf("udta", meta))...))
		if got.Cover == nil {
			t.Errorf("%s: no cover", name)
			continue
		}
		if cover, err := io.ReadAll(got.Cover); err != nil || !bytes.Equal(cover, picture) {
			t.Errorf("%s: %q, %v", name, cover, err)
		}
	}
}

func TestNoAbsurdNumberIsBelieved(t *testing.T) {
	header := func(scale, duration uint32) []byte {
		body := make([]byte, 100)
		binary.BigEndian.PutUint32(body[12:], scale)
		binary.BigEndian.PutUint32(body[16:], duration)
		return append(boxOf("ftyp", []byte("isom\x00\x00\x00\x00")), boxOf("moov", boxOf("mvhd", body))...)
	}
	for _, numbers := range [][2]uint32{{0, 5}, {1, 1<<32 - 2}, {1, 1<<32 - 1}, {1<<32 - 1, 0}} {
		if got := read(header(numbers[0], numbers[1])); got.Seconds() != 0 {
			t.Errorf("%v: %v", numbers, got.Duration)
		}
	}
	if got := read(header(1000, 100)); got.Seconds() != 1 {
		t.Errorf("a tenth of a second is shown as %d seconds", got.Seconds())
	}
	var nested []byte // each box has all that follow
	for left := 10_000; left > 0; left-- {
		nested = append(binary.BigEndian.AppendUint32(nested, uint32(8*left)), "mdia"...)
	}
	_ = read(append(boxOf("ftyp", []byte("isom\x00\x00\x00\x00")), boxOf("moov", boxOf("trak", nested))...))
}

func FuzzAnyFileIsRead(f *testing.F) {
	names, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		f.Add(file(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got := read(content)
		if got.Seconds() < 0 || got.Seconds() > 7*24*3600 || got.Width < 0 || got.Height < 0 || max(got.Width, got.Height) > 65535 {
			t.Fatalf("%+v", got)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"film.mp4", "recorded.webm", "variable.mp3"} {
		content := file(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = read(content)
			}
		})
	}
}
