package app

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"wasup/internal/app/apptest"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// uploadSize is the size of the largest file that is accepted by default.
const uploadSize = 100 << 20

// BenchmarkUpload accepts documents of 100 MiB, each way that they can come, and reports how much more memory the heap
// held at the worst moment than before. Sandbox, app and caller are one process; "sent" includes what the client
// library and the sandbox need to encrypt, carry and keep the file.
func BenchmarkUpload(b *testing.B) {
	const to = `"to":"34600111222","kind":"document"`
	b.Run("bytes", func(b *testing.B) {
		uploads(b, "/v1/media", false, func() (io.Reader, string) { return file(), "application/octet-stream" })
	})
	b.Run("form", func(b *testing.B) {
		uploads(b, "/v1/sessions/1/messages", false, func() (io.Reader, string) { return formOf(map[string]string{"to": "34600111222"}) })
	})
	b.Run("base64", func(b *testing.B) {
		uploads(b, "/v1/sessions/1/messages", false, func() (io.Reader, string) {
			return piped(func(w io.Writer) error {
				_, err := io.WriteString(w, `{`+to+`,"media":{"base64":"`)
				encoder := base64.NewEncoder(base64.StdEncoding, w)
				_, copyErr := io.Copy(encoder, file())
				err = errors.Join(err, copyErr, encoder.Close())
				_, endErr := io.WriteString(w, `"}}`)
				return errors.Join(err, endErr)
			}), "application/json"
		})
	})
	b.Run("sent", func(b *testing.B) {
		uploads(b, "/v1/sessions/1/messages?wait=server_ack&timeout=60s", true, func() (io.Reader, string) { return formOf(map[string]string{"to": "34600111222"}) })
	})
}

func uploads(b *testing.B, path string, linked bool, body func() (io.Reader, string)) {
	server := apptest.NewSandbox(b, sandbox.Config{MaxMediaFile: 2 * uploadSize})
	cfg := apptest.Quick(server, apptest.NewDSN(b))
	h := open(b, server, cfg, seams{})
	if linked {
		h.linked(1)
		if _, err := h.server.AddPhone(phones.Config{Number: "34600111222"}); err != nil {
			b.Fatal(err)
		}
	} else {
		h.v1("POST", "", `{"id":"1"}`).Is(http.StatusCreated)
	}
	b.SetBytes(uploadSize)
	peak := uint64(0)
	for b.Loop() {
		watch := watchHeap()
		content, kind := body()
		response, err := h.HTTP.Post(h.Base+path, kind, content)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		peak = max(peak, watch())
		if err != nil || response.StatusCode >= 300 || !json.Valid(answer) {
			b.Fatalf("%d %s %v", response.StatusCode, answer, err)
		}
	}
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
}

// file is 100 MiB of random bytes, the same each time.
func file() io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), uploadSize)
}

func formOf(fields map[string]string) (io.Reader, string) {
	var kind string
	ready := make(chan struct{})
	r := piped(func(w io.Writer) error {
		form := multipart.NewWriter(w)
		kind = form.FormDataContentType()
		close(ready)
		for name, value := range fields {
			if err := form.WriteField(name, value); err != nil {
				return err
			}
		}
		part, err := form.CreateFormFile("file", "large.bin")
		if err != nil {
			return err
		}
		if _, err := io.Copy(part, file()); err != nil {
			return err
		}
		return form.Close()
	})
	<-ready
	return r, kind
}

func piped(write func(io.Writer) error) io.Reader {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(write(w)) }() // nil ends the stream
	return r
}

// watchHeap measures the heap until end is called. end returns by how many bytes the heap grew at its largest.
func watchHeap() (end func() uint64) {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	before, most := sample[0].Value.Uint64(), uint64(0)
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	return func() uint64 {
		close(stop)
		done.Wait()
		return max(most, before) - before
	}
}
