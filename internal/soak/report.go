package soak

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"wasup/internal/sandbox/observe"
)

// Report is the result of a soak.
type Report struct {
	Sessions int           `json:"sessions"`
	Kills    int64         `json:"kills"`
	Faults   int64         `json:"faults"`
	Took     time.Duration `json:"took"`
	Refusals int64         `json:"refusals"` // requests that wasup refused for the moment, and that were repeated

	Outgoing verdict `json:"outgoing"` // at the contacts' phones
	Incoming verdict `json:"incoming"` // at the webhook

	Again         int   `json:"delivered_again"`    // repeated webhook deliveries of an event, which are allowed
	Changed       int   `json:"sequence_changed"`   // sequence numbers that came with two events
	Backwards     int   `json:"sequence_backwards"` // new sequence numbers that came after a higher one
	Retries       int64 `json:"retry_receipts"`     // messages that a recipient could not decrypt at first
	KeyReuses     int64 `json:"key_reuses"`         // message keys that were used twice
	Panics        int64 `json:"sandbox_panics"`     // bugs of the sandbox
	UnknownAsked  int64 `json:"unknown_queries"`    // queries that the sandbox cannot answer
	LostInTransit int64 `json:"sandbox_lost"`       // stanzas that the sandbox lost because a queue was full
}

// Good reports whether no message was lost, duplicated, out of order or undecryptable, and the sandbox had no bug and lost
// nothing itself: what it loses may be a message or a receipt, and WhatsApp would have kept it.
func (r *Report) Good() bool {
	return r.Outgoing.good() && r.Incoming.good() && r.Changed == 0 && r.Backwards == 0 && r.KeyReuses == 0 && r.Retries == 0 &&
		r.Panics == 0 && r.UnknownAsked == 0 && r.LostInTransit == 0 && r.Incoming.Repeated == 0
}

func (r *run) report(context.Context) Report {
	counters := r.server.Counters()
	r.hook.mu.Lock()
	defer r.hook.mu.Unlock()
	return Report{
		Sessions: len(r.pairs), Kills: r.kills.Load(), Faults: r.faults.Load(), Took: time.Since(r.began), Refusals: r.refusals.Load(),
		Outgoing: r.sent.compare(), Incoming: r.received.compare(),
		Again: r.hook.again, Changed: r.hook.changed, Backwards: r.hook.gaps,
		Retries: counters.Retries, KeyReuses: counters.KeyReuses, Panics: counters.Panics,
		UnknownAsked: sum(counters), LostInTransit: counters.QueueOverflows,
	}
}

func sum(counters observe.Counters) (n int64) {
	for _, count := range counters.UnknownQueries {
		n += count
	}
	return n
}

// Write prints the report as a table.
func (r *Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	row := func(name string, out, in int) { _, _ = fmt.Fprintf(t, "%s\t%d\t%d\t\n", name, out, in) }
	_, _ = fmt.Fprintf(t, "\tto contacts\tto the webhook\t\n")
	o, i := r.Outgoing, r.Incoming
	row("asked for", o.Asked, i.Asked)
	row("arrived", o.Arrived, i.Arrived)
	row("lost", o.Lost, i.Lost)
	row("duplicated", o.Duplicated, i.Duplicated+i.Repeated)
	row("out of order", o.OutOfOrder, i.OutOfOrder)
	row("under another id", o.WrongID, i.WrongID)
	row("not asked for", o.Strange, i.Strange)
	row("repeated, dropped by id", o.Repeated, r.Again)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d sessions, %d kills, %d faults in %s; %d requests refused and repeated; undecryptable %d, keys used twice %d, sequence errors %d; of the sandbox: %d panics, %d unknown queries, %d stanzas lost\n",
		r.Sessions, r.Kills, r.Faults, r.Took.Round(time.Second), r.Refusals, r.Retries, r.KeyReuses, r.Changed+r.Backwards,
		r.Panics, r.UnknownAsked, r.LostInTransit)
	for _, example := range append(append([]string{}, o.examples...), i.examples...) {
		if err == nil {
			_, err = fmt.Fprintln(w, "  "+example)
		}
	}
	return err
}
