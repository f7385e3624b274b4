package outbound

import (
	"context"
	"slices"
	"strings"

	"wasup/internal/message"
)

// addressPeople replaces the people whom the message names by their addresses as WhatsApp writes them, and the numbers of
// those who are mentioned in the text too: a phone shows a mention if the text has exactly the number of its address.
func (c *composing) addressPeople(ctx context.Context) error {
	content := &c.out.Content
	people := slices.Clone(content.Mentions)
	refs := []**message.Ref{&content.Quote, &content.Target}
	for _, ref := range refs {
		if *ref != nil {
			people = append(people, (*ref).Sender)
		}
	}
	if len(people) == 0 || c.c.People == nil {
		return nil
	}
	written, err := c.c.People(ctx, people)
	if err != nil {
		return err
	}
	for i, given := range content.Mentions {
		content.Text = renumber(content.Text, given, written[i])
	}
	content.Mentions, written = written[:len(content.Mentions)], written[len(content.Mentions):]
	for _, ref := range refs {
		if *ref != nil {
			changed := **ref
			changed.Sender, written = written[0], written[1:]
			*ref = &changed
		}
	}
	return nil
}

// renumber replaces the number of a mention in a text, if WhatsApp writes it otherwise.
func renumber(text string, given, written message.Address) string {
	old, _, _ := strings.Cut(given.PN, "@")
	now, _, _ := strings.Cut(written.PN, "@")
	if now == "" {
		now, _, _ = strings.Cut(written.LID, "@")
	}
	if old == "" || old == now {
		return text
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "@"+old)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if after == "" || after[0] < '0' || after[0] > '9' {
			out.WriteString("@" + now)
		} else {
			out.WriteString("@" + old) // a longer number
		}
		text = after
	}
}
