package soak

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// enough says that a writer has written what was asked for and the chaos is over.
func (r *run) enough(n int) bool { return n >= r.cfg.Messages && !r.busy.Load() }

// send asks wasup for one message after another, each with a key, and repeats each request until it was accepted. The
// answer to a request may be lost with the process that gave it.
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

// write lets the contact write to the session. The server keeps what it writes until wasup acknowledges it.
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

// readPhones enters what has arrived at the contacts.
func (r *run) readPhones() {
	for i := range r.pairs {
		for _, message := range r.pairs[i].contact.Messages() {
			if message.From.User == r.pairs[i].own.Number() && !message.FromMe {
				r.sent.arrive(r.pairs[i].id, message.Text, message.ID, message.Copies)
			}
		}
	}
}
