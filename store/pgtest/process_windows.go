package pgtest

import "syscall"

type owner struct{}

func unprivileged() (*owner, error) { return nil, nil }

func (o *owner) own(...string) error { return nil }

func (o *owner) attributes() *syscall.SysProcAttr { return nil }
