package supervision

import "wasup/httpapi/wire"

func supervisedOf(node *Node, stack bool) v1Supervised {
	status := &node.Status
	out := v1Supervised{
		ID: string(status.ID), State: wire.State(status.State), Cause: wire.Cause(status.Cause), Desired: wire.Desired(status.Desired),
		Running: node.Running, Quarantined: node.Quarantined, Incarnation: uint64(status.Incarnation),
		Restarts: status.Restarts, RestartsInWindow: node.InWindow,
		NextRetryAt: wire.Stamp(status.RetryAt), Since: wire.Stamp(status.Since),
	}
	if crash := node.LastCrash; crash != nil {
		out.LastCrash = &v1Crash{At: wire.Stamp(node.LastCrashAt), Where: crash.Where, Reason: crash.Reason}
		if stack {
			out.LastCrash.Stack = crash.Stack
		}
	}
	return out
}
