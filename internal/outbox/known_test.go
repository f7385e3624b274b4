package outbox

import (
	"testing"

	"wasup/internal/message"
	"wasup/internal/session"
)

func TestAKnownRequestNeedsNoFile(t *testing.T) {
	r := newRig(t, Options{})
	full := message.Request{
		Session: "51", To: "5491100000001@s.whatsapp.net", Key: "k", Fingerprint: "what was asked",
		Content: message.Content{Kind: message.KindDocument, Media: &message.Media{File: "f1", Mime: "text/plain", Size: 3, SHA256: "ab"}},
	}
	bare := full
	bare.Content.Media = nil
	if _, known, err := r.Known(t.Context(), bare); known || err != nil {
		t.Fatalf("known %t, %v, before it was accepted", known, err)
	}
	first, existed, err := r.Enqueue(t.Context(), full)
	if err != nil || existed {
		t.Fatal(existed, err)
	}
	if found, known, err := r.Known(t.Context(), bare); err != nil || !known || found.ID != first.ID {
		t.Errorf("%+v, known %t, %v", found, known, err)
	}
	changed := full // the URL returns other bytes now, but the request is the same
	changed.Content.Media = &message.Media{File: "f2", Mime: "text/plain", Size: 4, SHA256: "cd"}
	if again, existed, err := r.Enqueue(t.Context(), changed); err != nil || !existed || again.ID != first.ID {
		t.Errorf("%+v, existed %t, %v", again, existed, err)
	}
	other := bare
	other.Fingerprint = "something else"
	_, _, err = r.Known(t.Context(), other)
	wantCode(t, err, session.CodeIdempotencyReuse)
	other = bare
	other.To = "5491100000002@s.whatsapp.net"
	_, _, err = r.Known(t.Context(), other)
	wantCode(t, err, session.CodeIdempotencyReuse)
	other = bare
	other.Key = ""
	if _, known, err := r.Known(t.Context(), other); known || err != nil {
		t.Errorf("without a key: known %t, %v", known, err)
	}
}
