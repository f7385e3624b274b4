package outbound

import (
	"context"

	"wasup/internal/message"
)

// checkForeign refuses to change a message as an own one if the log shows that somebody else wrote it: phones ignore a
// change that names the wrong author. A message that the log does not have is taken for an own one.
func (c *composing) checkForeign(ctx context.Context) error {
	kind, ref := c.out.Content.Kind, c.out.Content.Target
	if kind != message.KindEdit && kind != message.KindRevoke || c.c.Foreign == nil || !c.isOwn(ref, true) {
		return nil
	}
	if c.c.Sent != nil {
		if _, is, err := c.c.Sent(ctx, c.c.Session, ref.ID); err != nil || is {
			return err
		}
	}
	foreign, err := c.c.Foreign(ctx, c.chat, ref.ID)
	switch {
	case err != nil || !foreign:
		return err
	case kind == message.KindEdit:
		return c.invalid("target.sender", "expected a message of the session's own account: others cannot be edited")
	case !c.isGroup():
		return c.invalid("target.sender", "expected a message of the session's own account: those of others can be revoked in groups only")
	default:
		return c.invalid("target.sender", "expected who wrote this message: it is not the session's own account. An admin of the group can revoke it")
	}
}
