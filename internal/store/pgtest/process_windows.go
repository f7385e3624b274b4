package pgtest

import (
	"syscall"
	"testing"
)

type owner struct{}

func unprivileged() (*owner, error) { return nil, nil }

func (o *owner) own(...string) error { return nil }

func (o *owner) attributes() *syscall.SysProcAttr { return nil }

// Freeze needs signals that Windows does not have.
func (c *Cluster) Freeze(tb testing.TB) (thaw func()) {
	tb.Helper()
	tb.Skip("a process cannot be stopped in its tracks here")
	return nil
}
