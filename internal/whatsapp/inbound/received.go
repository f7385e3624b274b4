package inbound

import (
	"context"

	"go.mau.fi/whatsmeow/types"
)

// Received reports whether the log has a message of a chat that one of these people wrote, whatever form their addresses
// have. It does not look for messages of the session's own account. An error is a failure of the database.
func (c *Translator) Received(ctx context.Context, chat types.JID, people []types.JID, id string) (bool, error) {
	if c.Journal == nil {
		return false, nil
	}
	t := &translation{c: c, ctx: ctx}
	in := t.address(chat)
	var keys []string
	for _, who := range t.addresses(people) {
		if !t.isOwn(who) {
			keys = append(keys, messageKeys(in, who, id)...)
		}
	}
	if len(keys) == 0 || t.err != nil {
		return false, t.err
	}
	_, is, err := c.Journal.Find(ctx, c.Session, keys...)
	return is, err
}
