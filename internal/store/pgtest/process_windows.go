package pgtest

import (
	"syscall"
	"testing"
)

type owner struct{}

func unprivileged() (*owner, error) { return nil, nil }

func (o *owner) own(...string) error { return nil }

func (o *owner) attributes() *syscall.SysProcAttr { return nil }

// Freeze skips the test: it needs signals that Windows does not have.
func (c *Cluster) Freeze(tb testing.TB) (thaw func()) {
	tb.Helper()
	tb.Skip("Windows cannot suspend a process with a signal")
	return nil
}
