package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"wasup/internal/sandbox"
)

const (
	seedSize = 32
	seedFile = "root.seed"
)

// authorityOf returns the root key that clients of a sandbox trust. It comes from the seed (64 hex digits), from the
// seed file in the state folder, or is random if both are empty.
func authorityOf(seed, state string) (*sandbox.Authority, error) {
	switch {
	case seed != "":
		raw, err := hex.DecodeString(seed)
		if err != nil || len(raw) != seedSize {
			return nil, &usageError{errors.New("--seed: expected 64 hex digits")}
		}
		return sandbox.NewAuthorityFromSeed([seedSize]byte(raw)), nil
	case state != "":
		return storedAuthority(state)
	default:
		return sandbox.NewAuthority()
	}
}

// storedAuthority reads the seed file in the state folder, and creates it if it is missing. Without the file, linked
// clients would not trust the sandbox after its restart.
func storedAuthority(state string) (*sandbox.Authority, error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	path := filepath.Join(state, seedFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		raw = make([]byte, seedSize)
		_, _ = rand.Read(raw) // never returns an error: it ends the program when the system has no random numbers
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if len(raw) != seedSize {
		return nil, fmt.Errorf("--state: %s has %d bytes, expected %d", path, len(raw), seedSize)
	}
	return sandbox.NewAuthorityFromSeed([seedSize]byte(raw)), nil
}
