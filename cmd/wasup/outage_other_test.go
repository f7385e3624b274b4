//go:build !linux

package main

func diskOutages() []outage { return nil }
