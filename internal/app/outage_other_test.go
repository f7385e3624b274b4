//go:build !linux

package app

func diskOutages() []outage { return nil }
