package soak

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// enough reports whether a writer that has written n messages may end: the number is reached and the chaos is over.
func (r *run) enough(n int) bool { return n >= r.cfg.Messages && !r.busy.Load() }

// send requests one message after another from wasup, and repeats each request until it is accepted. Each has an
// Idempotency-Key, because a kill may lose the answer to an accepted request.
func (r *run) send(ctx context.Context, p *pair, each time.Duration) error {
	turn := time.NewTicker(each)
	defer turn.Stop()
	for n := 1; ; n++ {
		text := fmt.Sprintf("%s > %06d", p.id, n)
		r.sent.ask(p.id, text)
		a, err := r.must(ctx, http.MethodPost, "/v1/sessions/"+p.id+"/messages",
			map[string]any{"to": p.contact.Number(), "text": text}, "Idempotency-Key", fmt.Sprintf("%s-%d", p.id, n))
		if err != nil {
			return err
		}
		var message struct {
			ID string `json:"id"`
		}
		if err := a.into(&message); err != nil {
			return fmt.Errorf("accept a message: %w", err)
		}
		r.sent.accepted(text, message.ID)
		if r.enough(n) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-turn.C:
		}
	}
}

// write makes the contact write to the session. The server keeps each message until wasup acknowledges it.
func (r *run) write(ctx context.Context, p *pair, each time.Duration) error {
	turn := time.NewTicker(each)
	defer turn.Stop()
	for n := 1; ; n++ {
		text := fmt.Sprintf("%s < %06d", p.id, n)
		r.received.ask(p.id, text)
		id, err := p.contact.SendText(ctx, p.own.Number(), text)
		if err != nil {
			return fmt.Errorf("write to %s: %w", p.id, err)
		}
		r.received.accepted(text, id)
		if r.enough(n) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-turn.C:
		}
	}
}

// readPhones records the messages that have arrived at the contacts.
func (r *run) readPhones() {
	for i := range r.pairs {
		for _, message := range r.pairs[i].contact.Messages() {
			if message.From.User == r.pairs[i].own.Number() && !message.FromMe {
				r.sent.arrive(r.pairs[i].id, message.Text, message.ID, message.Copies)
			}
		}
	}
}
