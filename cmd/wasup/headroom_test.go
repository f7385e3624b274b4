package main

import (
	"runtime/debug"
	"testing"

	"wasup/configs"
)

func TestGarbageGathersUpToTheHeadroomUnlessTheOperatorSaysOtherwise(t *testing.T) {
	const asked = 150
	before := debug.SetGCPercent(asked)
	defer debug.SetGCPercent(before)
	for _, c := range []struct {
		environ []string
		kept    bool
	}{{nil, false}, {[]string{"GOGC="}, false}, {[]string{"PATH=/bin", "GOGC=150"}, true}} {
		// More than any test can have live.
		stop := headroom(configs.Memory{Headroom: 1 << 40}, c.environ)
		inForce := debug.SetGCPercent(asked)
		debug.SetGCPercent(inForce)
		if kept := inForce == asked; kept != c.kept {
			t.Errorf("with %v there are %d %%, want %d untouched: %v", c.environ, inForce, asked, c.kept)
		}
		stop()
		debug.SetGCPercent(asked)
	}
}
